import { join } from "node:path";

import { freePort } from "../../e2e/server/free-port.ts";
import type { Installed } from "./install.ts";
import { startProgram } from "./system.ts";
import type { System } from "./system.ts";

/** `@durable-streams/server`, the reference server of the Durable Streams protocol. */
export function durableStreamsSystems({ modules }: Installed): System[] {
  return modules === undefined
    ? []
    : [
        {
          name: "durable-streams",
          label: "durable-streams",
          title: "@durable-streams/server with its file store",
          durability: "as its file store does it",
          async start(folder) {
            const port = await freePort();
            const words = [join(import.meta.dirname, "durable-streams-process.ts"), String(port), folder, modules];
            const running = await startProgram({ path: process.execPath, env: process.env }, words, port);
            return { endpoint: { kind: "durable-streams", host: "127.0.0.1", port }, ...running };
          },
        },
      ];
}
