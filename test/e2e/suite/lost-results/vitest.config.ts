/** A run that loses what the worker of `lost.ts` tells: the calls named in LOST, though the worker has its answers. */
import { defineConfig } from "vitest/config";
import { ForksPoolWorker } from "vitest/node";
import type { PoolOptions, WorkerRequest } from "vitest/node";

import { completeRun } from "../complete-run.ts";

const LOST = new Set(process.env["LOST"]?.split(","));

class LosingWorker extends ForksPoolWorker {
  override readonly name = "losing";
  #isLosing = false;

  override send(message: WorkerRequest): void {
    if ("type" in message && message.type === "run") {
      this.#isLosing = message.context.files.some(({ filepath }) => filepath.endsWith("/lost.ts"));
    }
    super.send(message);
  }

  override deserialize(data: unknown): unknown {
    const { m: method, i } = data as { m?: string; i?: string };
    if (!this.#isLosing || method === undefined || !LOST.has(method)) {
      return super.deserialize(data);
    }
    const answer: unknown = { t: "s", i };
    super.send(answer as WorkerRequest);
    return {};
  }
}

export default defineConfig({
  plugins: [completeRun()],
  test: {
    include: ["test/e2e/suite/lost-results/{told,lost}.ts"],
    pool: { name: "losing", createPoolWorker: (options: PoolOptions) => new LosingWorker(options) },
  },
});
