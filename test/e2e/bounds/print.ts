/**
 * Prints what each case of {@link CASES}, and {@link FLOOR}, does to a server: `npx node test/e2e/bounds/print.ts [milliseconds] [cases, as in
 * 0,3] [told|untold|alone] [clients, as in 1,20] [rounds]`. Delays are medians of the rounds, with the least and the most; each round has
 * servers of its own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { builtWorker } from "../../../scripts/server/build.ts";
import { Server } from "../server/server.ts";

import { CASES, FLOOR } from "./cases.ts";
import type { HonestReport } from "./honest.ts";
import { measureDelays, measureGrowth } from "./measure.ts";
import type { Delays } from "./measure.ts";

const [ms = "30000", chosen, bound = "told", numbers = "1,20", rounds = "3"] = process.argv.slice(2);
/** Memory is told by an inspector, with which all that the isolate does takes half as long again: delays are measured without. */
const [INSPECTED, USUAL] = [{ isInspected: true }, { isInspected: false }];
const worker = await builtWorker();
const cases = [...CASES, FLOOR].filter(
  (_case, index) => chosen === undefined || chosen.split(",").includes(String(index)),
);
for (const given of cases) {
  for (const clients of numbers.split(",").map(Number)) {
    const load = { clients, ms: Number(ms) };
    const { grownMiB, heldMiB } = await on(INSPECTED, (server) => measureGrowth(server, given, load));
    const delays: Delays[] = [];
    for (let round = 0; round < Number(rounds); round += 1) {
      delays.push(await on(USUAL, (server) => on(USUAL, (other) => measureDelays({ server, other }, given, load))));
    }
    process.stdout.write(
      `${given.name}, ${clients} clients: +${heldMiB} MiB, at most ${grownMiB}; ${described(delays)}\n`,
    );
  }
}

/** How long the honest clients waited, and what became of their messages. */
function described(delays: readonly Delays[]): string {
  const [alone, elsewhere, beside] = [
    delays.map((one) => one.alone),
    delays.map((one) => one.elsewhere),
    delays.map((one) => one.beside),
  ];
  const p99 = [alone, elsewhere, beside].map((reports) => spread(reports.map(({ p99Ms }) => p99Ms)));
  const first = [elsewhere, beside].map((reports) => spread(reports.map(({ firstP99Ms }) => firstP99Ms)));
  const times = median(beside.map(({ p99Ms }) => p99Ms)) / median(elsewhere.map(({ p99Ms }) => p99Ms));
  const sum = (of: (report: HonestReport) => number) => beside.reduce((total, report) => total + of(report), 0);
  const [acked, refused, missing] = [sum((of) => of.acked), sum((of) => of.refused), sum((of) => of.missing)];
  return [
    `honest p99 ${p99[0]} alone, ${p99[1]} elsewhere, ${p99[2]} beside: ${times.toFixed(1)} times`,
    `in the first second ${first[0]} and ${first[1]}`,
    `${missing} missing, ${refused} refused of ${acked + refused}`,
  ].join("; ");
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The median, and the least and the most. */
function spread(values: readonly number[]): string {
  return `${median(values)} (${Math.min(...values)} to ${Math.max(...values)})`;
}

/** Measures on a server of its own. */
async function on<Result>(
  how: { readonly isInspected: boolean },
  measure: (server: Server) => Promise<Result>,
): Promise<Result> {
  const data = await mkdtemp(join(tmpdir(), "durable-stream-bounds-"));
  const server = new Server({ worker, data, vars: { BUFFERED_AMOUNT: bound }, ...how });
  await server.start();
  try {
    return await measure(server);
  } finally {
    await server.kill9();
    await rm(data, { recursive: true, maxRetries: 3 });
  }
}
