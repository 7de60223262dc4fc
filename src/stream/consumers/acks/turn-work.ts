import type { Consumer } from "../consumer.ts";
import type { ConsumerCursor } from "../cursor/cursor.ts";

/** Changes of messages that a turn makes: 2 to 4 ms. A message that is acked is one, one that is given back is two. */
const CHANGES_OF_TURN = 2_000;
const CHANGES_OF_REDELIVERY = 2;
/**
 * A cursor that has changed is written whole, once a turn, which takes as long as so many changes for each message that it has,
 * and for each of its runs.
 */
const WRITTEN = { message: 0.1, run: 0.3 };

/** What one turn does to the messages of consumers. */
export class TurnWork {
  readonly #changed = new Set<ConsumerCursor>();
  #changes = 0;
  /** What it takes to write the cursors that have changed, in changes. */
  #written = 0;

  /** Whether what is next, of this consumer, is left to another turn. */
  isSpentFor({ cursor }: Consumer): boolean {
    const written = this.#changed.has(cursor) ? 0 : this.#written;
    return this.#changes + written >= CHANGES_OF_TURN;
  }

  /** How many more messages may be taken back; none when it is spent. */
  get redeliveries(): number {
    return Math.max(0, Math.ceil((CHANGES_OF_TURN - this.#changes - this.#written) / CHANGES_OF_REDELIVERY));
  }

  /** Counts what is done to a consumer's cursor. @param least How many changes it counts as in any case. */
  change<T>({ cursor, storedRuns }: Consumer, act: () => T, least = 0): T {
    const { version } = cursor;
    const result = act();
    this.#changes += Math.max(least, cursor.version - version);
    if (cursor.version !== version && !this.#changed.has(cursor)) {
      const { inFlight, waiting } = cursor.info();
      this.#written += WRITTEN.message * (inFlight + waiting) + WRITTEN.run * storedRuns;
      this.#changed.add(cursor);
    }
    return result;
  }
}
