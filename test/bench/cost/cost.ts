import { join } from "node:path";

import { closeAll } from "../driver/driver.ts";
import { Server } from "../../e2e/server/server.ts";
import { dollarsOf, PRICES } from "../prices.ts";
import type { Use } from "../prices.ts";
import { grouped } from "../report/table.ts";
import { countsBetween } from "../workers/counters.ts";
import type { Counters } from "../workers/counters.ts";
import { buildCountingWorker, passTime, readCounters } from "./counting-server.ts";
import { COST_SCENARIOS, costDrivers } from "./scenarios.ts";
import type { CostScenario } from "./scenarios.ts";

const MILLION = 1_000_000;
/** A gateway and a stream. */
const OBJECTS = 2;
/** What is settled of a measure: the wait for the counters to come to rest is not the server's. */
const HEADINGS = ["", "rows written", "rows read", "calls", "frames in", "alarms", "awake s", "dollars"];

/** What a scenario used: of a million messages, or of a day. */
export type Cost = { scenario: string; isDay: boolean; messages: number; use: Use; dollars: number; counts: Counters };

/** Counts what each scenario uses. @param folder An empty folder. */
export async function measureCost({
  folder,
  only,
  say,
}: {
  folder: string;
  only: string;
  say: (text: string) => void;
}): Promise<Cost[]> {
  const worker = join(folder, "counting-worker");
  await buildCountingWorker(worker);
  await using server = new Server({ worker, data: join(folder, "counted"), vars: { GATEWAY_SHARDS: "1" } });
  await server.start();
  const costs: Cost[] = [];
  for (const scenario of COST_SCENARIOS.filter(({ name }) => name.includes(only))) {
    const cost = await costOf(server, scenario, `cost-${costs.length}`);
    say(`${scenario.name}: $${cost.dollars.toFixed(4)}`);
    costs.push(cost);
  }
  return costs;
}

async function costOf(server: Server, scenario: CostScenario, stream: string): Promise<Cost> {
  const drivers = await costDrivers({ url: server.url, apiKey: server.apiKey });
  const pass = (ms: number, stepMs: number) => passTime(server, ms, stepMs);
  const { work, connections } = await scenario.prepare({ ...drivers, stream, pass });
  try {
    const before = await readCounters(server);
    const start = performance.now();
    const messages = await work();
    const ms = performance.now() - start;
    const counts = countsBetween(before, await readCounters(server));
    const { isDay = false, name } = scenario;
    // Both objects count as awake for all of a run. On an idle day they are awake for its alarms only, which take no time
    // that could be told.
    const use = { ...counts, awakeMs: isDay ? 0 : ms * OBJECTS };
    const told = isDay ? use : perMillion(use, messages);
    return { scenario: name, isDay, messages, use: told, dollars: dollarsOf(told), counts };
  } finally {
    await closeAll(connections);
  }
}

function perMillion(use: Use, messages: number): Use {
  const scaled = (value: number) => (value * MILLION) / messages;
  return {
    rowsWritten: scaled(use.rowsWritten),
    rowsRead: scaled(use.rowsRead),
    calls: scaled(use.calls),
    framesIn: scaled(use.framesIn),
    alarms: scaled(use.alarms),
    awakeMs: scaled(use.awakeMs),
  };
}

/** The costs as a table for a terminal. */
export function costTableOf(costs: readonly Cost[]): string {
  const lines = costs.map(({ scenario, isDay, use, dollars }) => [
    isDay ? scenario : `a million messages: ${scenario}`,
    ...[use.rowsWritten, use.rowsRead, use.calls, use.framesIn, use.alarms, use.awakeMs / 1000].map(grouped),
    dollars.toFixed(4),
  ]);
  const cells = [HEADINGS, ...lines];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((line) => (line[column] ?? "").length)));
  const table = cells.map((line) =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
  );
  const note =
    `Prices of ${PRICES.asOf}, without what a plan includes. A GB that is kept costs $${PRICES.storedGbMonth} a month. ` +
    "Awake: a gateway and a stream for as long as the run took on this machine.";
  return [...table, "", note, ""].join("\n");
}
