import type { DeleteMessagesResult } from "../../../rpc/index.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

import type { Log } from "./log.ts";

/** What is to be deleted: all through a sequence, or single messages. */
type What = { readonly through: number } | { readonly sequences: readonly number[] };

type Deleted = { readonly result: DeleteMessagesResult; readonly left: readonly number[] };

/** Between two turns when somebody publishes. */
const BESIDE_PUBLISHES_MS = 5;

/** Deletes as much as one turn may. Returns how many messages that were, and the sequences that are left to others. */
export function deletePart(log: Log, what: What): { deleted: number; left: readonly number[] } {
  return "through" in what
    ? { deleted: log.deleteThrough(what.through), left: [] }
    : log.deleteSequences(what.sequences);
}

/** Deletes in turns; whatever has come meanwhile runs between two of them. */
export async function deleteInTurns(
  what: What,
  turn: (part: What) => Deleted | Refused | undefined,
): Promise<DeleteMessagesResult | Refused | undefined> {
  let deleted = 0;
  let last = Infinity;
  for (let part: What = what; ;) {
    const done = turn(part);
    if (done === undefined || "refused" in done) {
      return done;
    }
    deleted += done.result.deleted;
    if (done.left.length === 0) {
      return { ...done.result, deleted };
    }
    part = { sequences: done.left };
    // What is written has to be brought to its place at times, by whoever writes next: that should not be most publishes.
    const hasPublishes = done.result.lastSequence > last;
    last = done.result.lastSequence;
    await pauseBetweenTurns(hasPublishes ? BESIDE_PUBLISHES_MS : undefined);
  }
}
