import type { LostMessages } from "./types.ts";
import type { Unsettled } from "./unsettled.ts";

/**
 * A consumer cursor as JSON. `runs` has the unsettled messages (in flight or waiting); all others below `nextSequence`
 * are acked, dead or lost.
 *
 * It gets more fields, and a run grows at its end: code of an earlier version reads it too (see `platform/schema.ts`).
 */
export type StoredCursor = {
  readonly nextSequence: number;
  /** See `ConsumerCursor.notBefore`. */
  readonly notBefore?: number | undefined;
  readonly paused: boolean;
  readonly lost?: LostMessages | undefined;
  readonly holders: readonly string[];
  /** For each holder: the highest sequence that it got as new and has settled by an ack command; 0 for none. */
  readonly reached: readonly number[];
  readonly runs: readonly StoredRun[];
};

/** Neighbouring messages in the same state: a page that is delivered to one holder is one run. */
type StoredRun = readonly [
  inFlight: 0 | 1,
  /** After the time of the previous run; for the first run, after 0. */
  dueAfterMs: number,
  deliveries: number,
  /** Indexes into `holders` of the cursor. */
  holders: readonly number[],
  /** Skip so many sequences, take so many, skip, take, …; from the end of the previous run, the first from 0. */
  sequences: readonly number[],
  /** Left out when all are 0, as for nearly every message; `behind` is 0 for none. */
  blame?: readonly [uncounted: number, suspicion: number, behind: number],
];

/** Encodes messages, in order of sequence, as runs. */
export function packRuns(messages: readonly Unsettled[]): Pick<StoredCursor, "holders" | "runs"> {
  const indexes = new Map<string, number>();
  const runs: StoredRun[] = [];
  let previous: Unsettled | undefined;
  let sequences: number[] = [];
  let position = 0;

  for (const message of messages) {
    if (previous === undefined || !areAlike(previous, message)) {
      sequences = [];
      runs.push([
        message.state === "inFlight" ? 1 : 0,
        message.dueAt - (previous?.dueAt ?? 0),
        message.deliveries,
        message.holders.map((name) => indexOf(name, indexes)),
        sequences,
        ...blameOf(message),
      ]);
    }

    const taken = sequences.at(-1);
    if (message.sequence === position && taken !== undefined) {
      sequences[sequences.length - 1] = taken + 1;
    } else {
      sequences.push(message.sequence - position, 1);
    }
    position = message.sequence + 1;
    previous = message;
  }

  return { holders: [...indexes.keys()], runs };
}

/** Decodes what `packRuns` encoded. */
export function unpackRuns(stored: Pick<StoredCursor, "holders" | "runs">): Unsettled[] {
  const messages: Unsettled[] = [];
  let dueAt = 0;
  let position = 0;

  for (const [inFlight, dueAfterMs, deliveries, indexes, sequences, blame = [0, 0, 0]] of stored.runs) {
    const [uncounted, suspicion, behind] = blame;
    dueAt += dueAfterMs;
    const state = inFlight === 1 ? "inFlight" : "waiting";
    const holders = indexes.flatMap((index) => stored.holders[index] ?? []);
    for (const [index, length] of sequences.entries()) {
      const end = position + length;
      if (index % 2 === 1) {
        for (let sequence = position; sequence < end; sequence++) {
          const told = { deliveries, uncounted, suspicion, behind: behind === 0 ? undefined : behind, holders };
          messages.push({ sequence, state, dueAt, ...told });
        }
      }
      position = end;
    }
  }

  return messages;
}

function areAlike(a: Unsettled, b: Unsettled): boolean {
  return (
    a.state === b.state &&
    a.dueAt === b.dueAt &&
    a.deliveries === b.deliveries &&
    a.uncounted === b.uncounted &&
    a.suspicion === b.suspicion &&
    a.behind === b.behind &&
    areSame(a.holders, b.holders)
  );
}

/** Messages that were delivered together have one and the same array. */
function areSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((name, index) => name === b[index]));
}

function blameOf({ uncounted, suspicion, behind = 0 }: Unsettled): [blame?: [number, number, number]] {
  return uncounted === 0 && suspicion === 0 && behind === 0 ? [] : [[uncounted, suspicion, behind]];
}

function indexOf(name: string, indexes: Map<string, number>): number {
  const index = indexes.get(name) ?? indexes.size;
  indexes.set(name, index);
  return index;
}
