import type { FetchReply } from "../../internal/consumer-calls.ts";
import { charactersOf } from "../../internal/pieces.ts";
import { monotonicMs } from "../../platform/clock.ts";
import type { Refused } from "../../platform/refused.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";
import { Lane, PACED_BYTES } from "./lane.ts";

/** A turn is a quarter of a megabyte that is fetched: with less, eight who fetch 100 kB at a time got a fifth fewer. */
const FETCHED_PART = PACED_BYTES / 262_144;

/** What a fetch took, as text that is read. */
export function sizeOfFetch(reply: FetchReply | Refused): number {
  return "refused" in reply ? 0 : charactersOf(reply) * FETCHED_PART;
}

/**
 * Calls that look through the log: each as often as it takes, in turn with the others. One that finds something at once is answered
 * at once, and has no pause behind it unless what it found is large.
 */
export class Scans {
  readonly #lane = new Lane();

  /**
   * Tries until there is an answer or half the time of a request is up: nothing must be delivered to, or changed for, a caller
   * that no longer waits.
   *
   * @param attempt Returns undefined when its scan of the log stopped at its bounds; the next call goes on from there.
   * @param sizeOf What an answer took, as text that is read.
   * @returns Unavailable when the time is up.
   */
  async run<Reply>(
    attempt: () => Reply | Refused | undefined,
    sizeOf: (reply: Reply | Refused) => number = () => 0,
  ): Promise<Reply | Refused> {
    const untilMs = monotonicMs() + requestDeadlineMs() / 2;
    const size = (reply: Reply | Refused | undefined) => (reply === undefined ? PACED_BYTES : sizeOf(reply));
    let answer = await this.#lane.run(attempt, size, untilMs);
    while (answer === undefined) {
      if (monotonicMs() > untilMs) {
        return refuse("Unavailable", "the log is still being looked through; try again", {});
      }
      answer = await this.#lane.run(attempt, size, untilMs);
    }
    return answer;
  }
}
