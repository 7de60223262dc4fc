import { monotonicMs } from "../../platform/clock.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

import { refuse } from "../refuse.ts";

/** What a turn has come to; undefined when there is more to do. */
export type Turn<Reply> = { readonly reply: Reply } | undefined;

/** How a call goes on. */
type Course = {
  /** How long its caller waits, in ms: after that it has no further turn. */
  readonly forMs: number;
  /** The next pause, if not the usual one, in ms. */
  readonly pauseMs?: () => number | undefined;
};

/**
 * Calls of an object that may take more than one turn. The first turn is taken at once, so that calls begin in the order in which
 * they come. Further ones are taken one at a time, of all calls in turn, with a pause before each in which whatever has come runs.
 * There is one timer for all pauses: an object may have 10,000, and clients as many calls.
 */
export class CallTurns {
  /** The last turn that is to come. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Takes turns until one has a reply.
   *
   * @param turn Does some of the work. What it has done is done, whatever becomes of the call.
   * @returns Undefined when its caller waits no longer.
   */
  async run<Reply>(turn: () => Turn<Reply>, course: Course): Promise<Turn<Reply>> {
    const untilMs = monotonicMs() + course.forMs;
    let done = turn();
    while (done === undefined && monotonicMs() <= untilMs) {
      done = await this.#next(turn, course, untilMs);
    }
    return done;
  }

  #next<Reply>(turn: () => Turn<Reply>, { pauseMs }: Course, untilMs: number): Promise<Turn<Reply>> {
    const isLate = () => monotonicMs() > untilMs;
    const next = this.#last.then(async () => {
      if (!isLate()) {
        await pauseBetweenTurns(pauseMs?.());
      }
      return isLate() ? undefined : turn();
    });
    // What a turn throws is its caller's.
    this.#last = next.catch(() => undefined);
    return next;
  }
}

/** The answer to a call of which some was done when its caller waits no longer. */
export function tookTooLong(): Refused {
  return refuse("OutcomeUnknown", "the call took longer than a request may; some of it was done", {});
}
