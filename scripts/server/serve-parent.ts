import { flushCompileCache } from "node:module";

import type { ServeOptions } from "./options.ts";
import type { ServerProcessMessage } from "./process.ts";
import { serve } from "./serve.ts";
import type { Serving } from "./serve.ts";

/**
 * Serves what the process that forked this one by `forkServer` asks for, until a SIGTERM, or the end of that process,
 * however it goes.
 */
export async function serveParent(): Promise<Serving> {
  // A parent that is gone can not end this group any more.
  process.once("disconnect", () => process.kill(-process.pid, "SIGKILL"));
  const options = await whenAsked();
  try {
    const serving = await serve(options);
    process.once("SIGTERM", () => void serving.stop());
    // Who ends a whole service sends it to every process, and the parent sends it too.
    process.on("SIGTERM", () => undefined);
    await tell({ port: serving.port });
    // Now, for many a server does not live to its own end.
    flushCompileCache();
    return serving;
  } catch (error) {
    await tell({ error: reasonOf(error, options) });
    return process.exit(1);
  }
}

function whenAsked(): Promise<ServeOptions> {
  return new Promise((resolve) => {
    process.once("message", (options: ServeOptions) => resolve(options));
  });
}

/** Resolves when it has left this process, whose end would lose it. */
function tell(message: ServerProcessMessage): Promise<unknown> {
  return new Promise((told) => process.send?.(message, told));
}

function reasonOf(error: unknown, { host, port }: ServeOptions): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return "code" in error && error.code === "ERR_ADDRESS_IN_USE" ? `port ${port} of ${host} is in use` : error.message;
}
