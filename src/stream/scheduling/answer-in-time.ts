import type { Refused } from "../../platform/refused.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";
import type { CallTurns } from "./call-turns.ts";

/** What it comes to when its time is over. */
const late = () => refuse("Unavailable", "the log is still being looked through; try again", {});

/**
 * Tries until there is an answer or half the time of a request is up: nothing must be delivered to, or changed for, a caller
 * that no longer waits.
 *
 * @param attempt Returns undefined when its scan of the log stopped at its bounds; the next turn goes on from there.
 * @returns Unavailable when the time is up.
 */
export function answerInTime<Reply>(
  turns: CallTurns,
  attempt: () => Reply | Refused | undefined,
): Promise<Reply | Refused> {
  const turn = () => {
    const reply = attempt();
    return reply === undefined ? undefined : { reply };
  };
  return turns.run<Reply | Refused>(turn, { late: { afterMs: requestDeadlineMs() / 2, reply: late } });
}
