/** Two versions at the same time: the gateways of one and the streams of the other, as while an update is deferred. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";

import { OFFLINE, SCRIPT } from "../../../scripts/server/options.ts";

import type { Target } from "../server/client.ts";

const API_KEY = "beside";
const STREAMS = "streams";

/** What a build says of its Worker. */
type Options = Omit<V4WorkerOptions, "scriptPath"> & {
  bindings: Record<string, string>;
  durableObjects: Record<string, { className: string; useSQLite: boolean }>;
};

/** The folders of the Workers that the gateways, and the streams, are of. */
export type Beside = { gateway: string; stream: string };

/** Starts both in one workerd; clients come to the Worker of the gateways. @param data An empty folder. */
export async function startBeside({ gateway, stream }: Beside, data: string): Promise<Target & AsyncDisposable> {
  const [withGateways, withStreams] = await Promise.all([optionsOf(gateway), optionsOf(stream)]);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          ...withGateways,
          name: SCRIPT,
          durableObjects: {
            ...withGateways.durableObjects,
            STREAM: { className: "Stream", scriptName: STREAMS, useSQLite: true },
            DIRECTORY: { className: "Directory", scriptName: STREAMS, useSQLite: true },
          },
          unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
        },
        {
          ...withStreams,
          name: STREAMS,
          durableObjects: {
            ...withStreams.durableObjects,
            GATEWAY: { className: "Gateway", scriptName: SCRIPT, useSQLite: true },
          },
        },
      ],
      host: "127.0.0.1",
      port: 0,
      resourcePersistencePath: data,
      ...OFFLINE,
    }),
  );
  const url = await miniflare.unsafeGetDirectURL(SCRIPT);
  return { url: url.origin, apiKey: API_KEY, [Symbol.asyncDispose]: () => miniflare.dispose() };
}

async function optionsOf(worker: string) {
  const text = await readFile(join(worker, "options.json"), "utf8");
  const { bindings, ...options }: Options = JSON.parse(text);
  return {
    ...options,
    modules: true as const,
    rootPath: worker,
    scriptPath: "worker.js",
    bindings: { ...bindings, API_KEY, GATEWAY_SHARDS: "1" },
  };
}
