/** The process that `server.ts` starts: Miniflare with the built Worker. It ends with its parent. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";

import type { ServerProcessMessage, ServerProcessOptions } from "./server.ts";

const HOST = "127.0.0.1";

// A parent that is gone can not end this group any more, however it went.
process.once("disconnect", () => process.kill(-process.pid, "SIGKILL"));

const { worker, data, port, vars }: ServerProcessOptions = JSON.parse(process.argv[2] ?? "");
const options: Omit<V4WorkerOptions, "scriptPath"> & { bindings: Record<string, string> } = JSON.parse(
  readFileSync(join(worker, "options.json"), "utf8"),
);
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    ...options,
    name: "durable-stream",
    modules: true,
    rootPath: worker,
    scriptPath: "worker.js",
    bindings: { ...options.bindings, ...vars },
    host: HOST,
    port,
    resourcePersistencePath: data,
    // Nothing that asks the network, and nothing that slows every call down.
    cf: false,
    telemetry: { enabled: false },
    unsafeLocalExplorer: false,
    unsafeObservability: false,
  }),
);

process.once("SIGTERM", () => {
  void miniflare.dispose().finally(() => process.exit(0));
});

miniflare.ready.then(
  (url) => tell({ url: url.href }),
  (error: unknown) => tell({ error: String(error) }),
);

function tell(message: ServerProcessMessage): void {
  process.send?.(message);
}
