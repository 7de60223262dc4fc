import type { Message } from "../../schemas/message.ts";

/** Sequences that will not be delivered. */
export type MissingRange = { readonly from: number; readonly to: number };

/**
 * The position of a follower in one epoch of a stream, over any number of server subscriptions: the last sequence that was
 * received, which is never delivered again, and the last that is done, after which the next server subscription starts.
 */
export class StreamPosition {
  readonly epoch: string;
  #received: number;
  #done: number;
  /** `publishedAt` of the last message that is done; undefined when it is not known. */
  #doneAt: number | undefined;

  constructor(epoch: string, position: number, publishedAt: number | undefined) {
    this.epoch = epoch;
    this.#received = position;
    this.#done = position;
    this.#doneAt = publishedAt;
  }

  /** After what is done. `previousPublishedAt` lets the server detect that its log is another one. */
  get resumeAt(): { sequence: number; previousPublishedAt?: number } {
    const sequence = this.#done + 1;
    return this.#doneAt === undefined ? { sequence } : { sequence, previousPublishedAt: this.#doneAt };
  }

  get done(): number {
    return this.#done;
  }

  /** The server subscription starts at this sequence. */
  begin(nextSequence: number): void {
    this.#received = Math.max(this.#received, nextSequence - 1);
  }

  /**
   * Takes received messages and returns those that were not delivered yet.
   *
   * @param previous The sequence that the server sent before the first of them.
   * @returns `broken` when a notification was lost; nothing is taken then.
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

  /** The server says that sequences will not come. @returns Those that were not received before. */
  miss(from: number, to: number): MissingRange | undefined {
    const first = Math.max(from, this.#received + 1);
    this.#received = Math.max(this.#received, to);
    return first <= to ? { from: first, to } : undefined;
  }

  /** Everything up to a sequence is done. @param publishedAt Of its message, if there was one. */
  finish(sequence: number, publishedAt?: number): void {
    if (sequence > this.#done) {
      this.#done = sequence;
      this.#doneAt = publishedAt;
    }
  }
}
