import type { MessageRange } from "../../internal/calls.ts";
import type { BatchRow } from "../schema.ts";
import type { Batches } from "./batches.ts";

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
export type RowOfProducers = { firstSequence: number; publishedAt: number; runs: StoredRun[] };

/** What the rows of the log say of producers, without their messages. */
export class StoredRuns {
  readonly #batches: Batches;

  constructor(batches: Batches) {
    this.#batches = batches;
  }

  /** Of the first rows after a sequence, at most so many. */
  after(sequence: number, rows: number): RowOfProducers[] {
    return this.#batches.producersAfter(sequence, rows).map(rowOfProducers);
  }

  /** The last run of a producer in the row that begins with a sequence. */
  lastOf(id: string, firstSequence: number): (StoredRun & { publishedAt: number }) | undefined {
    const [row] = this.#batches.producersAt(firstSequence);
    const text = row?.producers ?? "";
    // Within a string the quote would be escaped: nothing but the beginning of a run reads so.
    const at = text.lastIndexOf(`[${JSON.stringify(id)},`);
    if (row === undefined || at === -1) {
      return undefined;
    }
    const idEnd = at + JSON.stringify(id).length + 1;
    const producers = `[${text.slice(at, text.indexOf("]", idEnd) + 1)}]`;
    const { publishedAt, runs } = rowOfProducers({ ...row, producers });
    return runs.map((run) => ({ ...run, publishedAt }))[0];
  }

  /** Of the rows after a sequence in which the text of a producer's id is found. */
  of(id: string, after: number): RowOfProducers[] {
    return this.#batches.producersWith(JSON.stringify(id), after).map(rowOfProducers);
  }
}

function rowOfProducers({
  first_sequence: firstSequence,
  published_at: publishedAt,
  producers,
}: Pick<BatchRow, "first_sequence" | "published_at" | "producers">): RowOfProducers {
  // Written by runsText().
  const stored: RowRun[] = producers === null ? [] : JSON.parse(producers);
  const runs = stored.map(([id, epoch, first, count, offset]): StoredRun => {
    return { id, epoch, first, count, firstSequence: firstSequence + offset };
  });
  return { firstSequence, publishedAt, runs };
}
