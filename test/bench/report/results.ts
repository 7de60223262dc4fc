import type { Outcome } from "../driver/meter.ts";
import type { Unit } from "../workloads/workload.ts";

/** All rounds of one workload by one way of a system. */
export type Row = {
  readonly workload: string;
  readonly unit: Unit;
  readonly system: string;
  readonly way: string;
  readonly outcomes: Outcome[];
  readonly failures: string[];
};

/** The median of figures, with the least and the most. */
export type Spread = { readonly median: number; readonly least: number; readonly most: number };

/** @param values Of an even number the mean of the middle two is the median; of none all is 0. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [low = 0, high = 0] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return { median: (low + high) / 2, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 };
}

/** The figure that a workload is about: a rate, unless it is said otherwise. */
export function figureOf({ count, ms, figure }: Outcome, unit: Unit): number {
  return figure ?? (unit === "ms" ? ms : (count * 1000) / ms);
}
