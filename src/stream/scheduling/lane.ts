import { monotonicMs } from "../../platform/clock.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";

/** What is done before there is a pause: text that is read, or what takes as long; some 4 ms. */
export const PACED_BYTES = 65_536;
/** Of changes, as many as one socket may have on the way. */
export const MOST_WAITING = 4_096;

/**
 * Calls of a stream one after the other, in their order: after some of them whatever else has come runs before the next. So
 * they have one timer together, of the 10,000 that an object may have, and what comes first is done first.
 *
 * A call that has waited for half the time of a request is refused (Unavailable), and nothing of it is done: its caller may
 * wait no longer, and would not learn what was done. What has begun is never refused.
 */
export class Lane {
  readonly #most: number;
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;
  /** Calls that wait, and the one that goes on or has a pause behind it. */
  #calls = 0;

  /** @param most How many may wait; further ones are refused at once, as each has a timer of its own in its gateway. */
  constructor(most = Infinity) {
    this.#most = most;
  }

  /**
   * Makes a call in its turn, and at once when there is no other.
   *
   * @param bytesOf What it took, as text that is read.
   * @param untilMs When its caller has waited for too long, by `monotonicMs`.
   */
  run<Reply>(
    call: () => Reply | Promise<Reply>,
    bytesOf: (reply: Reply) => number,
    untilMs = monotonicMs() + requestDeadlineMs() / 2,
  ): Promise<Reply | Refused> {
    if (this.#calls > this.#most) {
      return Promise.resolve(tooMuch());
    }
    const isAlone = this.#calls === 0;
    const make = async () => {
      const reply = await call();
      this.#bytes += bytesOf(reply);
      return reply;
    };
    this.#calls += 1;
    const turn = isAlone ? make() : this.#last.then(async () => (monotonicMs() > untilMs ? tooMuch() : make()));
    this.#last = this.#after(turn);
    return turn;
  }

  /** The end of a turn, and of the pause behind it. Never rejects. */
  async #after(turn: Promise<unknown>): Promise<void> {
    try {
      await turn;
      if (this.#bytes >= PACED_BYTES) {
        this.#bytes = 0;
        await pauseBetweenTurns();
      }
    } catch {
      // What a call throws is its caller's. An object that has no timer left goes on without: the next call does not fail.
    }
    this.#calls -= 1;
  }
}

function tooMuch(): Refused {
  return refuse("Unavailable", "the stream has too much to do; try again", {});
}
