import * as v from "valibot";

import { JsonValue } from "./message.ts";
import { countOf, Epoch, ExpectedEpoch, Sequence, SequenceOrZero, StreamName } from "./names.ts";

const Revision = v.pipe(SequenceOrZero, v.description("0 before the first put, one more after each."));

export const GetStateResult = v.strictObject({
  state: JsonValue,
  revision: Revision,
  epoch: v.optional(v.pipe(Epoch, v.description("Left out when there is no such stream."))),
});
export type GetStateResult = v.InferOutput<typeof GetStateResult>;

export const PutStateParams = v.strictObject({
  stream: StreamName,
  state: JsonValue,
  expectedRevision: v.optional(Revision),
  epoch: v.optional(ExpectedEpoch),
});
export type PutStateParams = v.InferOutput<typeof PutStateParams>;

export const PutStateResult = v.strictObject({ epoch: Epoch, revision: Revision });
export type PutStateResult = v.InferOutput<typeof PutStateResult>;

/**
 * A checkpoint. A state that is too large for the document is stored as a snapshot in an object:
 *
 * 1. `getState`, before the snapshot is taken. Its `revision` is the one that this checkpoint replaces, so that of two
 *    concurrent checkpoints one is a Conflict.
 * 2. `putObject` the snapshot under a new key, such as `snapshots/<stream>/<epoch>/<sequence>`.
 * 3. `checkpoint` with `{ snapshot: { key, etag }, through }` as the state, the revision as `expectedRevision`, and the
 *    `epoch` of the messages that are in the snapshot.
 *
 * After a crash between the last two steps the previous checkpoint is still complete. A new follower reads the state, then
 * the object, then subscribes from `{ sequence: through + 1 }` in the epoch of the state. It has everything, unless the answer
 * has `skipped`: then a later checkpoint has trimmed messages that it needs, and it starts over.
 *
 * When a restore takes about as long as the interval between checkpoints, it would start over again and again. So trim less
 * than the state covers: pass as `through` of the call that of the replaced state. Then a restore has until the second
 * checkpoint after its read of the state, which is at least one interval. If it takes longer, trim to the checkpoint before
 * that. A snapshot that covers less than is trimmed is useless and may be deleted. A stream that also drops messages by its
 * config may have dropped some after that `through`. The Conflict then has `firstSequence`: pass one less as `through`, if
 * the new state covers it.
 *
 * When the answer is lost (OutcomeUnknown), repeat the same call. If it is then Conflict (`revision`), it was done when
 * `getState` returns this state, and otherwise another checkpoint has replaced it. Either way nothing is left to do.
 */
export const CheckpointParams = v.strictObject({
  stream: StreamName,
  state: JsonValue,
  through: v.pipe(
    SequenceOrZero,
    v.description(
      "This message and all before it are deleted: the state must cover them. Conflict when it is below what is deleted already.",
    ),
  ),
  expectedRevision: v.optional(Revision),
  epoch: v.optional(ExpectedEpoch),
});
export type CheckpointParams = v.InferOutput<typeof CheckpointParams>;

export const CheckpointResult = v.strictObject({
  epoch: Epoch,
  revision: Revision,
  deleted: countOf("How many messages there were to delete."),
  firstSequence: v.pipe(
    Sequence,
    v.description("The first message of the stream; one past the last when it has none."),
  ),
});
export type CheckpointResult = v.InferOutput<typeof CheckpointResult>;
