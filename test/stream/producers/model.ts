import type { ProducerInfo, ProducerState } from "../../../rpc/index.ts";
import type { PublishProducer } from "../../../src/internal/producer-runs.ts";

/** A message that was stored once, whether or not it is deleted since. */
type Stored = { producer: string | undefined; epoch: number; sequence: number; publishedAt: number };

/** One request of a publish call; `refused` stands for one that came to the stream without messages. */
export type ModelRequest = {
  producer: PublishProducer | undefined;
  count: number;
  expectedLast: number | undefined;
  isRefused: boolean;
};

/** Where a message of a request is, and whether it was there before. */
export type Place = { sequence: number; publishedAt: number; duplicate: boolean };

/** What is to be answered: a place for each message, or why none is stored. */
export type Answer = Place[] | { refused: "refused" | "lastSequence" | "limit" | ProducerState };

/** What bounds a stream. */
export type ModelConfig = { maxMessages: number | undefined; discard: "old" | "new" };

/**
 * A stream as an array of all messages that were ever stored in it; its sequences are the places in the array. All that is
 * known of a producer is looked for in the array again each time.
 */
export class ProducersModel {
  readonly #windowMs: number;
  readonly #log: Stored[] = [];
  /** Sequences of the messages that are there. */
  kept: number[] = [];
  config: ModelConfig = { maxMessages: undefined, discard: "old" };

  /** @param windowMs How long a producer is remembered. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The last sequence given out. */
  get last(): number {
    return this.#log.length;
  }

  /** What is stored now is published then: time does not go back. */
  publishedAt(nowMs: number): number {
    return Math.max(nowMs, this.#log.at(-1)?.publishedAt ?? 0);
  }

  /** What is told of a producer; undefined for one that is not known. */
  info(id: string, nowMs: number): ProducerInfo | undefined {
    const index = this.#log.findLastIndex(({ producer }) => producer === id);
    const newest = this.#log[index];
    if (newest === undefined || newest.publishedAt + this.#windowMs <= nowMs) {
      return undefined;
    }
    const { epoch, sequence, publishedAt } = newest;
    return { producer: { id, epoch, sequence }, lastSequence: index + 1, lastPublishedAt: publishedAt };
  }

  /** Where a producer is; 0 for one that is not known. */
  at(id: string, nowMs: number): ProducerState {
    const { epoch = 0, sequence = 0 } = this.info(id, nowMs)?.producer ?? {};
    return { epoch, sequence };
  }

  /** Says what is in the log at a sequence. */
  message(sequence: number): Stored | undefined {
    return this.#log[sequence - 1];
  }

  /** Stores what a request has to store; the bounds of the stream are applied by {@link retain}, after all of a call. */
  publish({ producer, count, expectedLast, isRefused }: ModelRequest, nowMs: number): Answer {
    const places = producer === undefined ? [] : this.#stored(producer, count, nowMs);
    if (!isRefused && places.length === count) {
      return places;
    }
    const notItsTurn = producer === undefined ? undefined : this.#refusesTurn(producer, nowMs);
    if (isRefused) {
      return { refused: "refused" };
    }
    if (notItsTurn !== undefined) {
      return { refused: notItsTurn };
    }
    if (expectedLast !== undefined && expectedLast !== this.last) {
      return { refused: "lastSequence" };
    }
    const { maxMessages = Infinity, discard } = this.config;
    if (discard === "new" && this.kept.length + count - places.length > maxMessages) {
      return { refused: "limit" };
    }
    const publishedAt = this.publishedAt(nowMs);
    for (let index = places.length; index < count; index += 1) {
      const { id, epoch = 0, sequence = 0 } = producer ?? {};
      this.#log.push({ producer: id, epoch, sequence: sequence + index, publishedAt });
      this.kept.push(this.last);
      places.push({ sequence: this.last, publishedAt, duplicate: false });
    }
    return places;
  }

  /** Drops what the bounds of the stream do not keep. */
  retain(): void {
    const { maxMessages, discard } = this.config;
    if (discard === "old" && maxMessages !== undefined) {
      this.kept = this.kept.slice(-maxMessages);
    }
  }

  /** Deletes messages; those that are not there are passed over. */
  delete(isDeleted: (sequence: number) => boolean): number {
    const before = this.kept.length;
    this.kept = this.kept.filter((sequence) => !isDeleted(sequence));
    return before - this.kept.length;
  }

  /** The first messages of a request, as far as they are stored. */
  #stored({ id, epoch, sequence }: PublishProducer, count: number, nowMs: number): Place[] {
    const at = this.at(id, nowMs);
    const places: Place[] = [];
    for (let next = sequence; next < sequence + count && epoch === at.epoch && next <= at.sequence; next += 1) {
      const index = this.#log.findLastIndex(
        (one) => one.producer === id && one.epoch === epoch && one.sequence === next,
      );
      places.push({ sequence: index + 1, publishedAt: this.#log[index]?.publishedAt ?? 0, duplicate: true });
    }
    return places;
  }

  /** Where the producer is, when it is not its turn. */
  #refusesTurn({ id, epoch, sequence, after }: PublishProducer, nowMs: number): ProducerState | undefined {
    const at = this.at(id, nowMs);
    if (epoch === at.epoch) {
      return sequence <= at.sequence + 1 ? undefined : at;
    }
    const isElsewhere = after !== undefined && (after.epoch !== at.epoch || after.sequence !== at.sequence);
    return epoch < at.epoch || isElsewhere || sequence > 1 ? at : undefined;
  }
}
