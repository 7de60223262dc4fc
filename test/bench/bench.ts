/**
 * How fast it is, beside its peers: `npm run bench`, `npm run bench -- --peers --rounds 5`. docs/benchmark.md says what is
 * measured and how.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { durableStreamSystem } from "./peers/durable-stream.ts";
import { durableStreamsSystems } from "./peers/durable-streams.ts";
import { installPeers } from "./peers/install.ts";
import { natsSystems } from "./peers/nats.ts";
import { plainObjectsSystem } from "./peers/plain-objects.ts";
import { redisSystems } from "./peers/redis.ts";
import { tableOf } from "./report/table.ts";
import { measureAll, withLanes } from "./run.ts";
import { WORKLOADS } from "./workloads/workloads.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    systems: { type: "string", default: "" },
    peers: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});

const say = (text: string) => process.stderr.write(`${text}\n`);
const folder = await mkdtemp(join(tmpdir(), "durable-stream-bench-"));
try {
  const installed = values.peers ? await installPeers(say) : {};
  const all = [
    durableStreamSystem(join(folder, "worker")),
    plainObjectsSystem(),
    ...redisSystems(installed),
    ...natsSystems(installed),
    ...durableStreamsSystems(installed),
  ];
  const plan = {
    rounds: Number(values.rounds),
    workloads: WORKLOADS.filter(({ name }) => name.includes(values.only)),
    scale: values.quick ? { share: 0.05, seconds: 0.5 } : { share: 1, seconds: 4 },
    folder,
    say,
  };
  const systems = all.filter(({ name }) => name.includes(values.systems));
  const rows = await withLanes(systems, plan, (lanes) => measureAll(lanes, plan));
  process.stdout.write(`${tableOf(rows)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
