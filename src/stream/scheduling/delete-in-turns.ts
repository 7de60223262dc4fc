import type { DeleteMessagesResult } from "../../../rpc/index.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

import type { Log } from "../log/log.ts";
import { Lane, MOST_WAITING, PACED_BYTES } from "./lane.ts";

/** What is to be deleted: all through a sequence, or single messages. */
type What = { readonly through: number } | { readonly sequences: readonly number[] };

type Deleted = { readonly result: DeleteMessagesResult; readonly left: readonly number[] };

/** Between two turns when somebody publishes. */
const BESIDE_PUBLISHES_MS = 5;
/** What the last turn of a deletion takes, as text that is read; there is a pause after each other one. */
const DELETION_BYTES = PACED_BYTES / 4;

/** Deletes as much as one turn may. Returns how many messages that were, and the sequences that are left to others. */
export function deletePart({ record, log }: { record: { epoch: string }; log: Log }, what: What): Deleted {
  const { deleted, left } =
    "through" in what ? { deleted: log.deleteThrough(what.through), left: [] } : log.deleteSequences(what.sequences);
  const { last: lastSequence } = log;
  return { left, result: { epoch: record.epoch, deleted, firstSequence: log.firstSequence(), lastSequence } };
}

/** The deletions of messages of a stream, one after the other, each in turns between which whatever has come runs. */
export class Deletions {
  readonly #lane = new Lane(MOST_WAITING);

  /**
   * Deletes in its turn.
   *
   * @param turn Deletes as {@link deletePart}.
   * @returns A refusal, of {@link Lane} too; undefined when `turn` says so.
   */
  run(
    what: What,
    turn: (part: What) => Deleted | Refused | undefined,
  ): Promise<DeleteMessagesResult | Refused | undefined> {
    return this.#lane.run(
      () => deleteInTurns(what, turn),
      (done) => (done === undefined || "refused" in done ? 0 : DELETION_BYTES),
    );
  }
}

/** Deletes in turns; whatever has come meanwhile runs between two of them. */
async function deleteInTurns(
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
