import type { MessageRange } from "../../internal/calls.ts";
import type { BatchRow } from "../schema.ts";

/** Messages of a producer that stand together in the stream; `first` is the producer's sequence. */
export type StoredRun = { id: string; epoch: number; first: number; count: number; firstSequence: number };

/** The same in a row: id, epoch, the producer's first sequence, count, and where in the row it is. */
type RowRun = [string, number, number, number, number];

/** What a row says of producers, as it is stored; null for nothing. */
export function runsText(runs: readonly StoredRun[], { first: rowFirst, last }: MessageRange): string | null {
  const within = runs.flatMap(({ id, epoch, first, count, firstSequence }): RowRun[] => {
    const from = Math.max(firstSequence, rowFirst);
    const through = Math.min(firstSequence + count - 1, last);
    return from > through ? [] : [[id, epoch, first + from - firstSequence, through - from + 1, from - rowFirst]];
  });
  return within.length === 0 ? null : JSON.stringify(within);
}

/** What a row says of producers. */
export function runsOf({
  first_sequence: rowFirst,
  producers,
}: Pick<BatchRow, "first_sequence" | "producers">): StoredRun[] {
  // Written by runsText().
  const stored: RowRun[] = producers === null ? [] : JSON.parse(producers);
  return stored.map(([id, epoch, first, count, offset]) => {
    return { id, epoch, first, count, firstSequence: rowFirst + offset };
  });
}
