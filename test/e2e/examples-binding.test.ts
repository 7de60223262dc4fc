import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";
import { describe, expect, inject } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { test } from "./fixtures.ts";
import { OFFLINE } from "./miniflare-options.ts";

const example = join(import.meta.dirname, "../examples/orders-worker.ts");

describe("a Worker that calls this one by service binding", () => {
  test("publishes, reads and follows, within what its props allow", async ({ data }) => {
    await using orders = await startOrders(data);
    const post = (item: string, key: string, path = ""): Promise<Response> =>
      orders.fetch(path, { method: "POST", headers: { "Idempotency-Key": key }, body: JSON.stringify({ item }) });

    const first = await post("tea", "a");
    const again = await post("tea", "a");
    const live = await orders.fetch("/live?count=3");
    await post("milk", "b");
    await post("sugar", "c");
    const events = await live.text();
    const read = await orders.fetch("");
    const forbidden = await post("gold", "d", "?stream=vault");

    expect(await first.json()).toEqual({ sequence: 1, duplicate: false });
    expect(await again.json()).toEqual({ sequence: 1, duplicate: true });
    expect(live.headers.get("Content-Type")).toBe("text/event-stream");
    expect(events).toBe(
      ["tea", "milk", "sugar"].map((item, index) => `id: ${index + 1}\ndata: {"item":"${item}"}\n\n`).join(""),
    );
    expect(await read.json()).toMatchObject([
      { sequence: 1 },
      { sequence: 2 },
      { sequence: 3, data: { item: "sugar" } },
    ]);
    expect([forbidden.status, await forbidden.json()]).toEqual([422, { code: ErrorCode.Forbidden }]);
  });
});

/** Two Workers in one workerd: the example, which is asked, and this one, which is bound to it. */
async function startOrders(data: string) {
  const worker = inject("worker");
  const options: Omit<V4WorkerOptions, "scriptPath"> = JSON.parse(await readFile(join(worker, "options.json"), "utf8"));
  const { outputFiles } = await build({
    entryPoints: [example],
    bundle: true,
    format: "esm",
    write: false,
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          name: "orders",
          modules: true,
          script: outputFiles[0]?.text ?? "",
          compatibilityDate: "2026-10-23",
          serviceBindings: {
            STREAMS: { name: "durable-stream", entrypoint: "DurableStreams", props: { streams: ["orders"] } },
          },
        },
        { ...options, name: "durable-stream", modules: true, rootPath: worker, scriptPath: "worker.js" },
      ],
      host: "127.0.0.1",
      port: 0,
      resourcePersistencePath: data,
      ...OFFLINE,
    }),
  );
  const url = await miniflare.ready;
  return {
    fetch: (path: string, init?: RequestInit): Promise<Response> => fetch(new URL(path, url), init),
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}
