import type { FetchReply } from "../../internal/consumer-calls.ts";
import type { Refused } from "../../platform/refused.ts";

import { refuse } from "../refuse.ts";

/**
 * Fetches until there is an answer or the time is up; other requests run in between.
 *
 * @param fetch Returns undefined when it has not found a message yet; the next call continues the scan of the log.
 * @returns Unavailable when the time is up.
 */
export async function fetchUntil(
  untilMs: number,
  fetch: () => FetchReply | Refused | undefined,
): Promise<FetchReply | Refused> {
  do {
    const fetched = fetch();
    if (fetched !== undefined) {
      return fetched;
    }
    await scheduler.wait(0);
  } while (Date.now() < untilMs);
  return refuse("Unavailable", "no message was found yet; try again", {});
}
