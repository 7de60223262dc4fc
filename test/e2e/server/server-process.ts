/** The process that `server.ts` starts: Miniflare with the built Worker. It ends with its parent. */
import { readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";

import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";

import { OFFLINE } from "./miniflare-options.ts";
import type { EvictionMessage, EvictionRequest, ServerProcessMessage, ServerProcessOptions } from "./server.ts";

const HOST = "127.0.0.1";
const SCRIPT = "durable-stream";
/** How the runtime says that there is nothing to evict, or that it is never idle. */
const NOT_EVICTED = /not currently running|still has active references/;

// A parent that is gone can not end this group any more, however it went.
process.once("disconnect", () => process.kill(-process.pid, "SIGKILL"));

const { worker, data, port, vars }: ServerProcessOptions = JSON.parse(process.argv[2] ?? "");
const options: Omit<V4WorkerOptions, "scriptPath"> & { bindings: Record<string, string> } = JSON.parse(
  readFileSync(join(worker, "options.json"), "utf8"),
);
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    ...options,
    name: SCRIPT,
    modules: true,
    rootPath: worker,
    scriptPath: "worker.js",
    bindings: { ...options.bindings, ...vars },
    host: HOST,
    port,
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
    resourcePersistencePath: data,
    ...OFFLINE,
  }),
);

process.once("SIGTERM", () => {
  void miniflare.dispose().finally(() => process.exit(0));
});

void start().then(tell, (error: unknown) => tell({ error: String(error) }));

process.on("message", (request: EvictionRequest) => void evict(request).then(tell));

async function start(): Promise<ServerProcessMessage> {
  const [url, directUrl] = await Promise.all([miniflare.ready, miniflare.unsafeGetDirectURL()]);
  // Now, for many a server does not live to its own end.
  flushCompileCache();
  return { url: url.href, directUrl: directUrl.href };
}

async function evict({ eviction, className, name, webSockets }: EvictionRequest): Promise<EvictionMessage> {
  try {
    await miniflare.unsafeEvictDurableObject(SCRIPT, className, { name, webSockets });
    return { eviction, isEvicted: true };
  } catch (error) {
    const text = String(error);
    return NOT_EVICTED.test(text) ? { eviction, isEvicted: false } : { eviction, error: text };
  }
}

function tell(message: ServerProcessMessage | EvictionMessage): void {
  process.send?.(message);
}
