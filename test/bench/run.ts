import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";

import { DriverProcess } from "./driver/driver-process.ts";
import type { Report } from "./driver/main.ts";
import type { System } from "./peers/system.ts";
import { figureOf } from "./report/results.ts";
import type { Row } from "./report/results.ts";
import { grouped } from "./report/table.ts";
import type { Scale, Workload } from "./workloads/workload.ts";

/** What is measured. */
export type Plan = {
  readonly rounds: number;
  readonly workloads: readonly Workload[];
  readonly scale: Scale;
  /** An empty folder. */
  readonly folder: string;
  readonly say: (text: string) => void;
};

/** A system that runs, with the process that drives it. */
export type Lane = { readonly system: System; readonly driver: DriverProcess; readonly processGroup: number };

/**
 * Starts systems, hands them out and stops them. One that does not start is told of and left out.
 */
export async function withLanes<T>(
  systems: readonly System[],
  { folder, say }: Pick<Plan, "folder" | "say">,
  use: (lanes: readonly Lane[]) => Promise<T>,
): Promise<T> {
  await using started = new AsyncDisposableStack();
  const lanes: Lane[] = [];
  for (const system of systems) {
    say(`starting ${system.title}`);
    try {
      const data = join(folder, system.name);
      await mkdir(data, { recursive: true });
      const { endpoint, processGroup, stop } = await system.start(data);
      started.defer(stop);
      const driver = await DriverProcess.start({ endpoint, serverGroup: processGroup });
      started.defer(() => driver.stop());
      lanes.push({ system, driver, processGroup });
    } catch (error) {
      say(`${system.title} does not take part: ${String(error)}`);
    }
  }
  // Awaited here: at the end of this scope all is stopped.
  return await use(lanes);
}

/**
 * Measures all, interleaved: in each round each workload, and of each workload each way of each system in turn. What has
 * failed is not tried again. Workloads that want a server of their own are left to {@link measureFresh}.
 */
export async function measureAll(lanes: readonly Lane[], plan: Plan): Promise<Row[]> {
  const rows = new Map<string, Row>();
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const workload of plan.workloads.filter(({ isFresh }) => isFresh !== true)) {
      await measureOne(lanes, { ...plan, round, workload }, rows);
    }
  }
  return [...rows.values()];
}

/** Measures the workloads that want a server of their own, which nothing else has used. */
export async function measureFresh(systems: readonly System[], plan: Plan): Promise<Row[]> {
  const rows = new Map<string, Row>();
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const workload of plan.workloads.filter(({ isFresh }) => isFresh === true)) {
      for (const system of systems) {
        const folder = await mkdtemp(join(plan.folder, "fresh-"));
        const at = { ...plan, round, workload };
        await withLanes([system], { folder, say: () => undefined }, (lanes) => measureOne(lanes, at, rows));
      }
    }
  }
  return [...rows.values()];
}

type Measure = Plan & { readonly round: number; readonly workload: Workload };

async function measureOne(
  lanes: readonly Lane[],
  { round, workload, workloads, scale, say }: Measure,
  rows: Map<string, Row>,
): Promise<void> {
  for (const { system, driver } of lanes) {
    for (const way of driver.ways.filter((one) => !hasFailed(rows, { workload, system, way: one }))) {
      const stream = `bench-${round}-${workloads.indexOf(workload)}-${way}`;
      const report = await driver.carryOut({ workload: workload.name, way, stream, scale });
      note(rows, { workload, system, way }, report);
      tell(say, `round ${round}: ${workload.name}, ${system.name}, ${way}`, workload, report);
    }
  }
}

type Case = { workload: Workload; system: System; way: string };

function keyOf({ workload, system, way }: Case): string {
  return `${workload.name}/${system.name}/${way}`;
}

function hasFailed(rows: ReadonlyMap<string, Row>, one: Case): boolean {
  return (rows.get(keyOf(one))?.failures.length ?? 0) > 0;
}

function note(rows: Map<string, Row>, one: Case, report: Report): void {
  if ("skipped" in report) {
    return;
  }
  const key = keyOf(one);
  const { workload, system, way } = one;
  const { name, unit } = workload;
  const row = rows.get(key) ?? { workload: name, unit, system: system.name, way, outcomes: [], failures: [] };
  rows.set(key, row);
  if ("failure" in report) {
    row.failures.push(report.failure);
  } else {
    row.outcomes.push(report.outcome);
  }
}

function tell(say: (text: string) => void, name: string, { unit }: Workload, report: Report): void {
  if ("failure" in report) {
    say(`${name}: FAILED: ${report.failure}`);
  } else if ("outcome" in report) {
    say(`${name}: ${grouped(figureOf(report.outcome, unit))} ${unit}`);
  }
}
