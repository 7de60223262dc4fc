import * as v from "valibot";

import { JsonValue } from "./message.ts";
import { Epoch, ExpectedEpoch, Sequence, SequenceOrZero, StreamName } from "./names.ts";

const Revision = v.pipe(SequenceOrZero, v.description("1 after the first put, one more with each; 0 before."));

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
 * A checkpoint. Where the state is too large to be a document, it is a snapshot in an object:
 *
 * 1. `getState`, before the snapshot is taken: its `revision` is what this checkpoint replaces, so that of two that are
 *    taken at a time one is a Conflict;
 * 2. `putObject` the snapshot under a key of its own, such as `snapshots/<stream>/<epoch>/<sequence>`;
 * 3. `checkpoint` with `{ snapshot: { key, etag }, through }` as the state, the revision as `expectedRevision`, and the
 *    `epoch` of the messages that are in the snapshot.
 *
 * A crash between the last two leaves the checkpoint before whole. A new follower reads the state, then the object, then
 * subscribes from `{ sequence: through + 1 }` in the epoch of the state: it has everything, unless the answer says
 * `skipped`, because a later checkpoint has trimmed what it lacks. Then it starts over.
 *
 * Where restoring takes about as long as the next checkpoint takes to come, it would start over again and again. So trim
 * less than the state covers: as `through` of the call, give that of the state which is replaced. Then a restore has from
 * its reading of the state to the second checkpoint after it, which is never less than the time between two; where it
 * takes still longer, trim to the checkpoint before that. A snapshot that covers less than is trimmed is of no use, and
 * may be deleted. A stream that drops messages by its config as well may have dropped some behind that `through`: the
 * Conflict tells `firstSequence`, and one less is the least `through`, if the new state covers it.
 *
 * When the answer is lost (OutcomeUnknown), repeat the same call. Conflict (`revision`) then says that it was done, if
 * `getState` tells this state, and otherwise that another one stands by now; either way there is nothing left to do.
 */
export const CheckpointParams = v.strictObject({
  stream: StreamName,
  state: JsonValue,
  through: v.pipe(
    SequenceOrZero,
    v.description("It and all before are deleted: the state must cover them. Conflict below what is deleted already."),
  ),
  expectedRevision: v.optional(Revision),
  epoch: v.optional(ExpectedEpoch),
});
export type CheckpointParams = v.InferOutput<typeof CheckpointParams>;

export const CheckpointResult = v.strictObject({
  epoch: Epoch,
  revision: Revision,
  deleted: SequenceOrZero,
  firstSequence: Sequence,
});
export type CheckpointResult = v.InferOutput<typeof CheckpointResult>;
