import { monotonicMs } from "../../platform/clock.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";

/** What is done before there is a pause: text that is read, or what takes as long; some 4 ms. */
export const PACED_BYTES = 65_536;

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
  #waiting = 0;

  /** @param most How many may wait; further ones are refused at once, as each has a timer of its own in its gateway. */
  constructor(most = Infinity) {
    this.#most = most;
  }

  /**
   * Makes a call in its turn.
   *
   * @param bytesOf What it took, as text that is read.
   */
  run<Reply>(call: () => Reply | Promise<Reply>, bytesOf: (reply: Reply) => number): Promise<Reply | Refused> {
    if (this.#waiting >= this.#most) {
      return Promise.resolve(tooMuch());
    }
    const untilMs = monotonicMs() + requestDeadlineMs() / 2;
    this.#waiting += 1;
    const turn = this.#last.then(async () => {
      this.#waiting -= 1;
      if (monotonicMs() > untilMs) {
        return tooMuch();
      }
      const reply = await call();
      this.#bytes += bytesOf(reply);
      return reply;
    });
    this.#last = turn.then(
      () => this.#pauseIfDue(),
      () => undefined,
    );
    return turn;
  }

  async #pauseIfDue(): Promise<void> {
    if (this.#bytes >= PACED_BYTES) {
      this.#bytes = 0;
      // An object that has no timer left goes on without: the next call is not to fail for that.
      await pauseBetweenTurns().catch(() => undefined);
    }
  }
}

function tooMuch(): Refused {
  return refuse("Unavailable", "the stream has too much to do; try again", {});
}
