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
 * 1. `putObject` the snapshot under a key of its own, such as `snapshots/<stream>/<sequence>`, with `ifNoneMatch: "*"`;
 * 2. `checkpoint` with `{ snapshot: { key, etag }, through }` as the state, and the same `through`.
 *
 * A crash between the two leaves the checkpoint before whole. A new follower reads the state, then the object, then
 * subscribes from `{ sequence: through + 1 }`: it has everything. Older snapshots may be deleted once nobody reads them.
 */
export const CheckpointParams = v.strictObject({
  stream: StreamName,
  state: JsonValue,
  through: v.pipe(SequenceOrZero, v.description("The last sequence the state covers; it and all before are deleted.")),
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
