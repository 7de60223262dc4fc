/** The built Worker in workerd, under Miniflare, with SQLite and R2 on disk. Sockets go to workerd, nothing between. */
import { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";

import { fileFault } from "../file-fault.ts";
import { LOCATION, OFFLINE, SCRIPT } from "./options.ts";
import type { ServeOptions } from "./options.ts";
import { RuntimeLog } from "./runtime-log.ts";

/** The name of the worker that has the files of the console. */
const CONSOLE = "durable-stream-console";
/** What to do where data can not be. */
const DATA_REMEDY = "--data or DURABLE_STREAM_DATA names a folder that this user may write";
/** sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;
/** How long a stop waits for what is under way. */
const STOP_MS = 5_000;

/** What serves, the port it listens on, and how it is ended: gracefully, this process with it. */
export type Serving = { miniflare: Miniflare; port: number; stop: () => Promise<never> };

/** Serves until `stop`, which ends the process. */
export async function serve({ worker, data, host, port, vars, inspectorPort }: ServeOptions): Promise<Serving> {
  makeFolder(data);
  lock(data);
  const text = readFileSync(join(worker, "options.json"), "utf8");
  const options: Omit<V4WorkerOptions, "scriptPath"> & { bindings: Record<string, string> } = JSON.parse(text);
  const bindings = { ...options.bindings, ...vars };
  const console = consoleWorker(join(worker, "console"));
  const workerd = latestChild();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          ...options,
          name: SCRIPT,
          modules: true,
          rootPath: worker,
          scriptPath: "worker.js",
          // In memory, so that workerd can be started again after the file is gone.
          script: readFileSync(join(worker, "worker.js"), "utf8"),
          bindings,
          ...(console.length === 0 ? {} : { serviceBindings: { ASSETS: CONSOLE } }),
          unsafeDirectSockets: [{ host, port }],
        },
        ...console,
      ],
      // What Miniflare's own calls come by; clients come by the direct socket.
      host: "127.0.0.1",
      port: 0,
      resourcePersistencePath: data,
      log: new RuntimeLog(),
      ...(inspectorPort === undefined ? {} : { inspectorPort }),
      ...OFFLINE,
    }),
  );
  // Miniflare's own ends workerd by SIGKILL.
  process.removeAllListeners("SIGTERM");
  const url = await miniflare.unsafeGetDirectURL();
  const stop = () => stopServing(miniflare, workerd(), Number(bindings["GATEWAY_SHARDS"]));
  return { miniflare, port: Number(url.port), stop };
}

/**
 * The files of the console, as a worker of their own. As the assets of the Worker itself they would be behind a router that
 * every call and every socket went through. None of a build without a console, such as the benchmark's.
 */
function consoleWorker(directory: string): (V4WorkerOptions & { name: string })[] {
  if (!existsSync(directory)) {
    return [];
  }
  const script = "export default { fetch: (request, env) => env.FILES.fetch(request) };";
  const assets = { directory, binding: "FILES", assetConfig: { html_handling: "none" } };
  return [{ name: CONSOLE, modules: true, script, compatibilityDate: "2026-10-23", assets }];
}

function makeFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true });
  } catch (error) {
    throw fileFault(error, { tried: "make a folder", where: `data is to be in ${data}`, remedy: DATA_REMEDY });
  }
}

/** Holds the data of this process, until it ends: two runtimes on one SQLite file may corrupt it. */
function lock(data: string): void {
  const file = join(data, "lock.sqlite");
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(file);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      throw new Error(`another server uses ${data}`, { cause: error });
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`data is to be in ${data}, where ${file} can not be written (${reason}): ${DATA_REMEDY}`, {
      cause: error,
    });
  }
  // A connection that is collected is closed.
  process.once("exit", () => database.close());
}

/** Finds the workerd that Miniflare started last, which it does not tell. */
function latestChild(): () => ChildProcess | undefined {
  let latest: ChildProcess | undefined;
  const listen = (message: unknown): void => {
    if (typeof message === "object" && message !== null && "process" in message) {
      latest = message.process instanceof ChildProcess ? message.process : latest;
    }
  };
  subscribe("child_process", listen);
  process.once("exit", () => unsubscribe("child_process", listen));
  return () => latest;
}

/**
 * Closes the sockets between two requests, and lets workerd answer what else it has taken and close its files. Ends this
 * process when workerd has ended, and workerd with this process when that takes too long.
 */
async function stopServing(miniflare: Miniflare, workerd: ChildProcess | undefined, shards: number): Promise<never> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, STOP_MS);
  workerd?.once("exit", () => process.exit(0));
  const closing = Array.from({ length: shards }, (_, shard) => closeSockets(miniflare, `${LOCATION}-${shard}`));
  await Promise.race([Promise.all(closing), ended]);
  workerd?.kill("SIGTERM");
  await ended;
  process.exit(0);
}

/** Evicts a gateway as soon as it has no request open; workerd does not end while a socket is open. */
async function closeSockets(miniflare: Miniflare, name: string): Promise<void> {
  for (;;) {
    try {
      await miniflare.unsafeEvictDurableObject(SCRIPT, "Gateway", { name, webSockets: "close" });
      return;
    } catch (error) {
      if (!String(error).includes("still has active references")) {
        return;
      }
    }
  }
}
