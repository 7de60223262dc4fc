import type { Refused } from "../../platform/refused.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

/**
 * Tries until there is an answer or half the time of a request is up: nothing must be delivered to, or changed for, a caller
 * that no longer waits. Other requests run in between.
 *
 * @param attempt Returns undefined when its scan of the log stopped at its bounds; the next call goes on from there.
 * @returns Unavailable when the time is up.
 */
export async function answerInTime<T>(attempt: () => T | Refused | undefined): Promise<T | Refused> {
  const untilMs = Date.now() + requestDeadlineMs() / 2;
  do {
    const answer = attempt();
    if (answer !== undefined) {
      return answer;
    }
    await pauseBetweenTurns();
  } while (Date.now() < untilMs);
  return refuse("Unavailable", "the log is still being looked through; try again", {});
}
