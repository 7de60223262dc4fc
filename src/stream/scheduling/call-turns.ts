import { monotonicMs } from "../../platform/clock.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

/** What a turn has come to; undefined when there is more to do. */
export type Turn<Reply> = { readonly reply: Reply } | undefined;

/** How a call goes on. */
type Course<Reply> = {
  /** When it has no further turn, and what it comes to then; it goes on to its end unless this is given. */
  readonly late?: { readonly afterMs: number; readonly reply: () => Reply };
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
   */
  async run<Reply>(turn: () => Turn<Reply>, { late, pauseMs }: Course<Reply> = {}): Promise<Reply> {
    const untilMs = monotonicMs() + (late?.afterMs ?? Infinity);
    let done = turn();
    while (done === undefined) {
      done = await this.#next(async () => {
        if (late !== undefined && monotonicMs() > untilMs) {
          return { reply: late.reply() };
        }
        await pauseBetweenTurns(pauseMs?.());
        return turn();
      });
    }
    return done.reply;
  }

  #next<Reply>(turn: () => Promise<Turn<Reply>>): Promise<Turn<Reply>> {
    const next = this.#last.then(turn);
    // What a turn throws is its caller's.
    this.#last = next.catch(() => undefined);
    return next;
  }
}
