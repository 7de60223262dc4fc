import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";

import { Server } from "../../e2e/server/server.ts";
import type { System } from "./system.ts";

const OPTIONS = {
  compatibilityDate: "2026-10-23",
  compatibilityFlags: ["no_web_socket_compression"],
  bindings: {},
  durableObjects: {
    ONE_ROW: { className: "OneRow", useSQLite: true },
    CEILING: { className: "Ceiling", useSQLite: true },
    BARE_GATEWAY: { className: "BareGateway", useSQLite: true },
    BARE_STREAM: { className: "BareStream", useSQLite: true },
  },
};

/** What the runtime does without Durable Stream: the naive design, and frames alone. */
export function plainObjectsSystem(): System {
  return {
    name: "plain-objects",
    label: "plain object",
    title: "plain objects of the runtime: one row and one frame a message; frames alone; this design and nothing else",
    durability: "each message's row is synced before it is acknowledged; of the frames alone nothing is stored",
    async start(folder) {
      await build({
        entryPoints: [join(import.meta.dirname, "../workers/plain-objects.ts")],
        bundle: true,
        format: "esm",
        external: ["cloudflare:*"],
        outfile: join(folder, "worker.js"),
      });
      await writeFile(join(folder, "options.json"), JSON.stringify(OPTIONS));
      const server = new Server({ worker: folder, data: join(folder, "data") });
      await server.start();
      return {
        endpoint: { kind: "plain-objects", url: server.url },
        processGroup: server.processGroup,
        // There are no gateways that a stop would close in order.
        stop: () => server.kill9(),
      };
    },
  };
}
