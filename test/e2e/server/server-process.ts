/** The process that `server.ts` starts: a server as `npm start` has it, which evicts objects when it is asked to. */
import { SCRIPT } from "../../../scripts/server/options.ts";
import { serveParent } from "../../../scripts/server/serve-parent.ts";
import type { EvictionMessage, EvictionRequest } from "./server.ts";

/** How the runtime says that there is nothing to evict, or that it is never idle. */
const NOT_EVICTED = /not currently running|still has active references/;

const { miniflare } = await serveParent();

process.on("message", (request: EvictionRequest) => void evict(request).then((message) => process.send?.(message)));

async function evict({ eviction, className, name, webSockets }: EvictionRequest): Promise<EvictionMessage> {
  try {
    await miniflare.unsafeEvictDurableObject(SCRIPT, className, { name, webSockets });
    return { eviction, isEvicted: true };
  } catch (error) {
    const text = String(error);
    return NOT_EVICTED.test(text) ? { eviction, isEvicted: false } : { eviction, error: text };
  }
}
