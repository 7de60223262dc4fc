import type { Message } from "../../message.ts";

/** Sequences that will not come. */
export type MissingRange = { readonly from: number; readonly to: number };

/**
 * Where a follower is in one life of a stream, over any number of server subscriptions: what was handed on, which never
 * is again, and what is done, after which the next subscription begins.
 */
export class StreamPosition {
  readonly epoch: string;
  #received: number;
  #done: number;
  /** When the message that was done last was published; undefined where it is not known. */
  #doneAt: number | undefined;

  constructor(epoch: string, position: number, publishedAt: number | undefined) {
    this.epoch = epoch;
    this.#received = position;
    this.#done = position;
    this.#doneAt = publishedAt;
  }

  /** Behind what is done, with what tells the server whether its log is still the one that this is a position of. */
  get resumeAt(): { sequence: number; previousPublishedAt?: number } {
    const sequence = this.#done + 1;
    return this.#doneAt === undefined ? { sequence } : { sequence, previousPublishedAt: this.#doneAt };
  }

  get done(): number {
    return this.#done;
  }

  /** The server follows from this sequence on. */
  begin(nextSequence: number): void {
    this.#received = Math.max(this.#received, nextSequence - 1);
  }

  /**
   * Takes what came and returns what was not handed on yet.
   *
   * @param previous The sequence sent before the first of them, as the server says.
   * @returns `broken` when something between must have been lost: nothing is taken then.
   */
  accept(previous: number, messages: readonly Message[]): readonly Message[] | "broken" {
    if (previous > this.#received) {
      return "broken";
    }
    let last = previous;
    for (const { sequence } of messages) {
      if (!(sequence > last)) {
        return "broken";
      }
      last = sequence;
    }
    const received = this.#received;
    this.#received = Math.max(received, last);
    return previous === received ? messages : messages.filter(({ sequence }) => sequence > received);
  }

  /** Takes the word of the server that sequences will not come; those handed on before are not missing. */
  miss(from: number, to: number): MissingRange | undefined {
    const first = Math.max(from, this.#received + 1);
    this.#received = Math.max(this.#received, to);
    return first <= to ? { from: first, to } : undefined;
  }

  /** Everything up to a sequence is done. @param publishedAt Of the message there, if one came. */
  finish(sequence: number, publishedAt?: number): void {
    if (sequence > this.#done) {
      this.#done = sequence;
      this.#doneAt = publishedAt;
    }
  }
}
