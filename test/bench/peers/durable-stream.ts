import { builtWorker } from "../../../scripts/server/build.ts";
import { Server } from "../../e2e/server/server.ts";
import type { System } from "./system.ts";

/** This product: the built Worker in workerd, under Miniflare, as it is deployed but on a disk of this machine. */
export function durableStreamSystem(): System {
  return {
    name: "durable-stream",
    label: "Durable Stream",
    title: "Durable Stream",
    durability: "each commit is synced before what is in it is acknowledged",
    async start(folder) {
      const worker = await builtWorker();
      // One gateway, so that a figure is of one thread, as a data centre would have several.
      const server = new Server({ worker, data: folder, vars: { GATEWAY_SHARDS: "1" } });
      await server.start();
      return {
        endpoint: { kind: "durable-stream", url: server.url, apiKey: server.apiKey },
        processGroup: server.processGroup,
        stop: () => server.stop(),
      };
    },
  };
}
