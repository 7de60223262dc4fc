import { monotonicMs } from "../../platform/clock.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";

/** What is done before there is a pause: text that is read, or what takes as long; some 4 ms. */
const PACED_BYTES = 65_536;

/**
 * Calls of a stream one after the other, in their order: after some of them whatever else has come runs before the next. So
 * they have one timer together, of the 10,000 that an object may have. Other calls overtake them, so they are of those that may
 * begin after what was sent behind them.
 *
 * A call that has waited for half the time of a request is refused (Unavailable), and nothing of it is done: its caller may
 * wait no longer, and would not learn what was done. What has begun is never refused.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;
  /** Calls that wait, and the one that goes on or has a pause behind it. */
  #calls = 0;

  /**
   * Makes a call in its turn, and at once when there is no other.
   *
   * @param bytesOf What it took, as text that is read.
   */
  run<Reply>(call: () => Reply | Promise<Reply>, bytesOf: (reply: Reply) => number): Promise<Reply | Refused> {
    const untilMs = monotonicMs() + requestDeadlineMs() / 2;
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
