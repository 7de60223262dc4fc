import type { DeleteMessagesResult } from "../../../rpc/index.ts";
import type { Refused } from "../../platform/refused.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import type { Log } from "../log/log.ts";
import { refuse } from "../refuse.ts";
import type { CallTurns, Turn } from "./call-turns.ts";

/** What is to be deleted: all through a sequence, or single messages. */
type What = { readonly through: number } | { readonly sequences: readonly number[] };

type Deleted = { readonly result: DeleteMessagesResult; readonly left: readonly number[] };

/** Between two turns when somebody publishes. */
const BESIDE_PUBLISHES_MS = 5;
/** Deletes as much as one turn may. Returns how many messages that were, and the sequences that are left to others. */
export function deletePart({ record, log }: { record: { epoch: string }; log: Log }, what: What): Deleted {
  const { deleted, left } =
    "through" in what ? { deleted: log.deleteThrough(what.through), left: [] } : log.deleteSequences(what.sequences);
  const { last: lastSequence } = log;
  return { left, result: { epoch: record.epoch, deleted, firstSequence: log.firstSequence(), lastSequence } };
}

/** What it comes to when its time is over. */
const late = () => refuse("OutcomeUnknown", "the call took longer than a request may; some of it was done", {});

/**
 * Deletes in turns.
 *
 * @param turn Deletes as {@link deletePart}.
 * @returns Undefined when `turn` says so; OutcomeUnknown when the time of a request is over before all is deleted.
 */
export function deleteInTurns(
  turns: CallTurns,
  what: What,
  turn: (part: What) => Deleted | Refused | undefined,
): Promise<DeleteMessagesResult | Refused | undefined> {
  let part = what;
  let [deleted, before, last] = [0, Infinity, Infinity];
  const next = (): Turn<DeleteMessagesResult | Refused | undefined> => {
    const done = turn(part);
    if (done === undefined || "refused" in done) {
      return { reply: done };
    }
    deleted += done.result.deleted;
    part = { sequences: done.left };
    [before, last] = [last, done.result.lastSequence];
    return done.left.length === 0 ? { reply: { ...done.result, deleted } } : undefined;
  };
  // What is written has to be brought to its place at times, by whoever writes next: that should not be most publishes.
  const pauseMs = () => (last > before ? BESIDE_PUBLISHES_MS : undefined);
  return turns.run(next, { late: { afterMs: requestDeadlineMs(), reply: late }, pauseMs });
}
