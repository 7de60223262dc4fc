import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { build } from "esbuild";

import { builtWorker } from "../../../scripts/server/build.ts";
import type { Server } from "../../e2e/server/server.ts";
import type { Counters } from "../workers/counters.ts";

const root = join(import.meta.dirname, "../../..");
const SETTLE_MS = 150;

/** Builds the Worker so that it counts, to be served by a `Server`. */
export async function buildCountingWorker(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: [join(root, "test/bench/workers/counting-worker.ts")],
    bundle: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    outfile: join(folder, "worker.js"),
  });
  await copyFile(join(await builtWorker(), "options.json"), join(folder, "options.json"));
}

/** What a server has counted once it has come to rest: nothing is under way any more. */
export async function readCounters(server: Pick<Server, "url">): Promise<Counters> {
  let before = await read(server);
  for (;;) {
    await delay(SETTLE_MS);
    const after = await read(server);
    if (JSON.stringify(after.callsOf) === JSON.stringify(before.callsOf) && after.framesIn === before.framesIn) {
      return after;
    }
    before = after;
  }
}

/** Lets time pass on a server, in steps that no alarm is overdue in by more. */
export async function passTime(server: Pick<Server, "url">, ms: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await fetch(`${server.url}/pass?ms=${stepMs}`, { method: "POST" });
  }
}

async function read({ url }: Pick<Server, "url">): Promise<Counters> {
  const answer = await fetch(`${url}/counters`);
  return (await answer.json()) as Counters;
}
