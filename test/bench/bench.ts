/**
 * How fast it is, beside its peers: `npm run bench`, `npm run bench -- --peers --rounds 5`. docs/benchmark.md says what is
 * measured and how.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { costTableOf, measureCost } from "./cost/cost.ts";
import { durableStreamSystem } from "./peers/durable-stream.ts";
import { durableStreamsSystems } from "./peers/durable-streams.ts";
import { installPeers } from "./peers/install.ts";
import type { Installed } from "./peers/install.ts";
import { natsSystems } from "./peers/nats.ts";
import { plainObjectsSystem } from "./peers/plain-objects.ts";
import { redisSystems } from "./peers/redis.ts";
import { PRICES } from "./prices.ts";
import { profileAll } from "./profile.ts";
import { textOf, writeReport } from "./report/report.ts";
import type { SystemReport } from "./report/report.ts";
import { measureAll, measureFresh, withLanes } from "./run.ts";
import type { Plan } from "./run.ts";
import { measureRestart } from "./restart.ts";
import { syncsPerPublish } from "./trace.ts";
import { RESTARTED } from "./workloads/restart.ts";
import { WORKLOADS } from "./workloads/workloads.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    systems: { type: "string", default: "" },
    peers: { type: "boolean", default: false },
    out: { type: "string", default: join(import.meta.dirname, "../../docs") },
    cost: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});

const say = (text: string) => process.stderr.write(`${text}\n`);
const folder = await mkdtemp(join(tmpdir(), "durable-stream-bench-"));
try {
  await (values.cost ? tellCost() : values.profile ? tellProfile() : tellSpeed());
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function tellCost(): Promise<void> {
  const costs = await measureCost({ folder, only: values.only, say });
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, "cost.json"), `${JSON.stringify({ prices: PRICES, costs }, undefined, 2)}\n`);
  process.stdout.write(costTableOf(costs));
}

async function tellProfile(): Promise<void> {
  process.stdout.write(await profileAll(planOf()));
}

function planOf(): Plan {
  return {
    rounds: Number(values.rounds),
    workloads: WORKLOADS.filter(({ name }) => name.includes(values.only)),
    scale: values.quick ? { share: 0.05, seconds: 0.5 } : { share: 1, seconds: 1 },
    folder,
    say,
  };
}

async function tellSpeed(): Promise<void> {
  const installed: Installed = values.peers ? await installPeers(say) : {};
  const all = [
    durableStreamSystem(),
    plainObjectsSystem(),
    ...redisSystems(installed),
    ...natsSystems(installed),
    ...durableStreamsSystems(installed),
  ];
  const plan = planOf();
  const systems = all.filter(({ name }) => name.includes(values.systems));
  const report = await withLanes(systems, plan, async (lanes) => {
    const traced = await inOrder(lanes, async (lane): Promise<SystemReport> => {
      const syncs = await syncsPerPublish(lane, installed.strace);
      const { name, label, title, durability } = lane.system;
      return { name, label, title, durability, ...(syncs === undefined ? {} : { syncsPerPublish: syncs }) };
    });
    const date = new Date().toISOString().slice(0, 10);
    return { date, rounds: plan.rounds, systems: traced, rows: await measureAll(lanes, plan) };
  });
  report.rows.push(...(await measureFresh(systems, plan)));
  const [ours] = systems;
  if (ours?.name === "durable-stream" && RESTARTED[1].name.includes(values.only)) {
    report.rows.push(await measureRestart(ours, plan));
  }
  await writeReport(values.out, report);
  process.stdout.write(textOf(report));
}

/** One after the other: what is measured is not to be disturbed. */
async function inOrder<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) {
    results.push(await work(item));
  }
  return results;
}
