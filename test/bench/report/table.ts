import type { Outcome } from "../driver/meter.ts";
import { figureOf, spreadOf } from "./results.ts";
import type { Row } from "./results.ts";

const HEADINGS = ["", "median", "least", "most", "p50 ms", "p99 ms", "server µs", "driver", ""];

/** The rows as a table for a terminal, a workload after the other. */
export function tableOf(rows: readonly Row[]): string {
  const workloads = Map.groupBy(rows, ({ workload, unit }) => `${workload} (${unit})`);
  const lines = [...workloads].flatMap(([name, ofWorkload]) => [[], [name], ...ofWorkload.map(cellsOf)]);
  const cells = [HEADINGS, ...lines.filter((line) => line.length > 1)];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((line) => (line[column] ?? "").length)));
  const aligned = (line: readonly string[]) =>
    line
      .map((cell, column) =>
        column === 0 || column === HEADINGS.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [HEADINGS, ...lines].map(aligned).join("\n");
}

function cellsOf({ system, way, unit, outcomes, failures }: Row): string[] {
  const name = `  ${system}, ${way}`;
  if (outcomes.length === 0) {
    return [name, "failed", "", "", "", "", "", "", failures[0] ?? ""];
  }
  const { median, least, most } = spreadOf(outcomes.map((outcome) => figureOf(outcome, unit)));
  const middle = (value: (outcome: Outcome) => number | undefined, digits: number) => {
    const values = outcomes.flatMap((outcome) => value(outcome) ?? []);
    return values.length === 0 ? "" : spreadOf(values).median.toFixed(digits);
  };
  const share = middle(({ driverShare }) => driverShare * 100, 0);
  return [
    name,
    ...[median, least, most].map((figure) => grouped(figure)),
    middle(({ p50 }) => p50, 2),
    middle(({ p99 }) => p99, 2),
    middle(({ serverUs }) => serverUs, 1),
    `${share} %`,
    remarkOf(outcomes, failures),
  ];
}

/** With commas; small figures with digits behind the point. */
export function grouped(figure: number): string {
  return figure.toLocaleString("en-US", { maximumFractionDigits: figure < 100 ? 1 : 0 });
}

function remarkOf(outcomes: readonly Outcome[], failures: readonly string[]): string {
  const repeated = outcomes.reduce((sum, outcome) => sum + (outcome.repeated ?? 0), 0);
  const notes = new Set(outcomes.flatMap(({ note }) => note ?? []));
  const failed = failures.length === 0 ? [] : [`${failures.length} failed: ${failures[0]}`];
  return [...(repeated === 0 ? [] : [`${repeated} refused as Busy and repeated`]), ...notes, ...failed].join("; ");
}
