import type { LostMessages } from "./types.ts";
import type { Unsettled } from "./unsettled.ts";

/**
 * A consumer cursor as JSON. What is settled is not written down: it is whatever lies below `nextSequence` and is
 * not in `runs`.
 */
export type StoredCursor = {
  readonly nextSequence: number;
  /** See `ConsumerCursor.notBefore`. */
  readonly notBefore?: number | undefined;
  readonly paused: boolean;
  readonly lost?: LostMessages | undefined;
  readonly holders: readonly string[];
  /** How far each holder has come: the highest sequence that it was given as new and has settled; 0 for none. */
  readonly reached: readonly number[];
  readonly runs: readonly StoredRun[];
};

/** Neighbours in the same state: a page handed to one holder is one run. */
type StoredRun = readonly [
  inFlight: 0 | 1,
  /** From the time of the run before; the first from 0. */
  dueAfterMs: number,
  deliveries: number,
  /** Indexes into `holders` of the cursor. */
  holders: readonly number[],
  /** Skip so many sequences, take so many, skip, take, …; goes on where the run before ended, the first from 0. */
  sequences: readonly number[],
  /** Left out while all are 0, as they are of nearly everything; `behind` is 0 for none. */
  blame?: readonly [uncounted: number, suspicion: number, behind: number],
];

/** Writes messages, given in order of sequence, as runs. */
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

/** Reads back what `packRuns` wrote. */
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
    a.holders.length === b.holders.length &&
    a.holders.every((name, index) => name === b.holders[index])
  );
}

function blameOf({ uncounted, suspicion, behind = 0 }: Unsettled): [blame?: [number, number, number]] {
  return uncounted === 0 && suspicion === 0 && behind === 0 ? [] : [[uncounted, suspicion, behind]];
}

function indexOf(name: string, indexes: Map<string, number>): number {
  const index = indexes.get(name) ?? indexes.size;
  indexes.set(name, index);
  return index;
}
