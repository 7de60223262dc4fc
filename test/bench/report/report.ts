import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, release } from "node:os";
import { join } from "node:path";

import { chartOf, panelsOf } from "./chart.ts";
import { figureOf, spreadOf } from "./results.ts";
import type { Row } from "./results.ts";
import { grouped, tableOf } from "./table.ts";

/** Syncs for each publish from which on a system is shown as one that syncs first; some noise is no matter. */
const SYNCED = 0.9;

/** What is told of a system beside its figures. */
export type SystemReport = {
  readonly name: string;
  readonly label: string;
  readonly title: string;
  readonly durability: string;
  /** Undefined when it could not be traced. */
  readonly syncsPerPublish?: number;
};

/** A whole run. */
export type RunReport = {
  readonly date: string;
  readonly rounds: number;
  readonly systems: readonly SystemReport[];
  readonly rows: readonly Row[];
};

/** The table for a terminal, with what each system promises. */
export function textOf({ systems, rows }: RunReport): string {
  const promises = systems.map(({ name, title, durability, syncsPerPublish }) => {
    const traced =
      syncsPerPublish === undefined
        ? "not traced"
        : `${grouped(syncsPerPublish)} syncs for each publish, one at a time`;
    return `${name}: ${title}; ${durability}; ${traced}`;
  });
  return [tableOf(rows), "", ...promises, ""].join("\n");
}

/** Writes `bench.json` and `bench.svg`. */
export async function writeReport(folder: string, report: RunReport): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rows = report.rows.map((row) => ({
    ...row,
    ...spreadOf(row.outcomes.map((outcome) => figureOf(outcome, row.unit))),
  }));
  const machine = {
    cores: availableParallelism(),
    model: cpus()[0]?.model ?? "",
    system: `${process.platform} ${release()}`,
  };
  await writeFile(join(folder, "bench.json"), `${JSON.stringify({ ...report, machine, rows }, undefined, 2)}\n`);
  const systems = new Map(report.systems.map((system) => [system.name, system]));
  const panels = panelsOf(report.rows, ({ system, way }) => {
    const { label = system, syncsPerPublish = 0 } = systems.get(system) ?? {};
    return { label: `${label}, ${way}`, isSynced: syncsPerPublish >= SYNCED };
  });
  const title = `One machine, ${machine.cores} cores, driver included; medians of ${report.rounds} rounds`;
  await writeFile(join(folder, "bench.svg"), chartOf(panels, title));
}
