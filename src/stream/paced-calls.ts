import type { PageReply } from "../internal/calls.ts";
import { pauseBetweenTurns } from "../platform/pace.ts";

/** What is done before there is a pause: text that is read, or what takes as long. */
const PACED_BYTES = 65_536;
/** What a subscription that joins takes: it may be delivered to, and every consumer is looked at. */
const JOIN_BYTES = 32_768;

/**
 * Calls that clients may make many of at once and that take long, in their order: after some of them whatever else has come
 * runs before the next.
 */
export class PacedCalls {
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;

  /** Reads a page in its turn. */
  read(call: () => PageReply): Promise<PageReply> {
    return this.#run(call, (page) => (page === undefined || "refused" in page ? 0 : page.bytes));
  }

  /** Has a subscription join a consumer in its turn. */
  join<Reply>(call: () => Reply): Promise<Reply> {
    return this.#run(call, () => JOIN_BYTES);
  }

  #run<Reply>(call: () => Reply, bytesOf: (reply: Reply) => number): Promise<Reply> {
    const turn = this.#last.then(call);
    this.#last = turn.then(
      (reply) => this.#pauseAfter(bytesOf(reply)),
      () => undefined,
    );
    return turn;
  }

  #pauseAfter(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < PACED_BYTES) {
      return undefined;
    }
    this.#bytes = 0;
    return pauseBetweenTurns();
  }
}
