/**
 * Prints where a server's time goes beside a case of {@link CASES}: `npx node test/e2e/bounds/profile.ts [case, as in 3]
 * [clients] [milliseconds] [file]`. The file is one that the developer tools of Chromium open: its name ends in `.cpuprofile`.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { builtWorker } from "../../../scripts/server/build.ts";
import { Server } from "../server/server.ts";

import { CASES } from "./cases.ts";
import { profileOf } from "./measure.ts";
import type { Profile } from "./measure.ts";

const LINES = 30;

const [index = "0", clients = "20", ms = "5000", file] = process.argv.slice(2);
const given = CASES[Number(index)];
if (given === undefined) {
  throw new Error(`there are ${CASES.length} cases, from 0 on`);
}
const data = await mkdtemp(join(tmpdir(), "durable-stream-profile-"));
const server = new Server({ worker: await builtWorker(), data, isInspected: true });
await server.start();
const profile = await profileOf(server, given, { clients: Number(clients), ms: Number(ms) });
await server.kill9();
await rm(data, { recursive: true, maxRetries: 3 });
if (file !== undefined) {
  await writeFile(file, JSON.stringify(profile));
}
process.stdout.write(`${given.name}, ${clients} clients: ms in each function itself\n`);
for (const [name, selfMs] of selfTimes(profile).slice(0, LINES)) {
  process.stdout.write(`${selfMs.toFixed(0).padStart(6)} ${name}\n`);
}

/** How long each function ran itself, without what it called; the longest first. */
function selfTimes({ nodes, samples, timeDeltas }: Profile): [name: string, ms: number][] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName || "(anonymous)"]));
  const times = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? "";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[at] ?? 0) / 1_000);
  }
  return [...times].toSorted((a, b) => b[1] - a[1]);
}
