import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readEnvFile } from "../env-file.ts";

const root = join(import.meta.dirname, "../..");

/** A server to show things on; disposing of it ends it if it was started here. */
export type DemoServer = {
  url: string;
  apiKey: string;
  isStartedHere: boolean;
} & AsyncDisposable;

/** The server at a URL: the one that runs there, or else one started for as long as the demo takes. */
export async function findServer(url: string): Promise<DemoServer> {
  if (await isHealthy(url)) {
    return { url, apiKey: readKey(), isStartedHere: false, [Symbol.asyncDispose]: async () => undefined };
  }
  const stop = await startServer(url);
  return { url, apiKey: readKey(), isStartedHere: true, [Symbol.asyncDispose]: stop };
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(new URL("/health", url), { signal: AbortSignal.timeout(5_000) });
    return response.status === 200;
  } catch {
    // Nobody listens there.
    return false;
  }
}

/** The key of a local server: the environment's, or the one in .env. */
function readKey(): string {
  const key = process.env["API_KEY"] ?? readEnvFile()["API_KEY"];
  if (key === undefined || key === "") {
    throw new Error("no key: set API_KEY to the key of that server");
  }
  return key;
}

/** Runs scripts/start.ts on data of its own, and waits until it serves. */
async function startServer(url: string): Promise<() => Promise<void>> {
  const { hostname, port } = new URL(url);
  const data = await mkdtemp(join(tmpdir(), "durable-stream-demo-"));
  const flags = ["--host", hostname.replace(/^\[(.*)\]$/, "$1"), "--port", port, "--data", data];
  const server = fork(join(root, "scripts/start.ts"), flags, { cwd: root, silent: true });
  const { promise: exited, resolve: setExited } = Promise.withResolvers<void>();
  server.once("exit", setExited);
  const stop = async (): Promise<void> => {
    server.kill("SIGTERM");
    await exited;
    await rm(data, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => void stop().then(() => process.exit(1)));
  }
  let output = "";
  const serving = Promise.withResolvers<void>();
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on("data", (text: Buffer) => {
      output += text.toString();
      if (output.includes("Durable Stream listens on http")) {
        serving.resolve();
      }
    });
  }
  void exited.then(() => serving.reject(new Error(`no server could be started at ${url}:\n${output}`)));
  await serving.promise;
  return stop;
}
