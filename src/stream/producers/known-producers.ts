import type { KnownProducer } from "./runs.ts";

/** A producer in memory; `isWhole` when SQLite has no older runs of it. */
export type CachedProducer = KnownProducer & { isWhole: boolean };

/** Bytes of each of the two generations. */
const GENERATION_BYTES = 98_304;
/** Bytes of a producer without runs and the characters of its id, and of a run. */
const PRODUCER_BYTES = 320;
const RUN_BYTES = 24;
/** Runs of one producer, at most. */
const MOST_RUNS = 1_024;
/** How much of a generation those of the one before may take, if all are asked for again. */
const PROMOTED = 0.75;

/**
 * The producers that published last, in so many bytes: two generations, of which the older one is dropped when the younger
 * one is full. What is asked for moves to the younger one.
 */
export class KnownProducers {
  #young = new Map<string, CachedProducer>();
  #old = new Map<string, CachedProducer>();
  #youngBytes = 0;

  get(id: string): CachedProducer | undefined {
    const young = this.#young.get(id);
    if (young !== undefined) {
      return young;
    }
    const old = this.#old.get(id);
    if (old !== undefined) {
      // As many of its runs as there is room for, if the others come back too.
      const share = (PROMOTED * GENERATION_BYTES) / this.#old.size - PRODUCER_BYTES;
      this.put(id, boundRuns(old, Math.max(1, Math.floor(share / RUN_BYTES))));
    }
    return old;
  }

  put(id: string, known: CachedProducer): void {
    boundRuns(known, MOST_RUNS);
    const isNew = !this.#young.has(id);
    this.#young.set(id, known);
    // One that was there has grown by a run at most.
    this.#youngBytes += isNew ? PRODUCER_BYTES + id.length + known.runs.size * RUN_BYTES : RUN_BYTES;
    if (this.#youngBytes > GENERATION_BYTES) {
      [this.#old, this.#young, this.#youngBytes] = [this.#young, new Map(), 0];
    }
  }
}

/** Leaves the newest runs of a producer, at most so many. */
function boundRuns(known: CachedProducer, most: number): CachedProducer {
  if (known.runs.size > most) {
    known.runs.keepNewest(Math.ceil(most / 2));
    known.isWhole = false;
  }
  return known;
}
