import * as v from "valibot";

import { LIMITS } from "./limits.ts";
import { durationMs, Epoch, Sequence, SequenceOrZero, StreamName, Time } from "./names.ts";

const DAY_MS = 86_400_000;

const MaxAgeMs = durationMs(1, 3650 * DAY_MS, "Messages older than this are dropped.");
const MaxMessages = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.description("Most messages kept."));
const MaxBytes = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1),
  v.maxValue(LIMITS.streamMaxBytes),
  v.description("Most bytes of message text kept, sequences and times included; dropping goes by whole batches."),
);
const Discard = v.pipe(
  v.picklist(["old", "new"]),
  v.description(
    "At maxMessages or maxBytes: drop the oldest (the default), or refuse the new with LimitReached until there is room. " +
      "With `new` only maxAgeMs drops: a bound set below what is stored drops nothing.",
  ),
);
const DuplicateWindowMs = durationMs(100, DAY_MS, "How long a publish id is remembered; 120,000 unless configured.");

const ProducerWindowMs = durationMs(
  1_000,
  365 * DAY_MS,
  "How long a producer is remembered after its last message; 604,800,000 (7 days) unless configured.",
);

/** What a stream keeps and for how long. A field that is absent has its default: no bound of its own. */
export const StreamConfig = v.strictObject({
  maxAgeMs: v.optional(MaxAgeMs),
  maxMessages: v.optional(MaxMessages),
  maxBytes: v.optional(MaxBytes),
  discard: Discard,
  duplicateWindowMs: DuplicateWindowMs,
  producerWindowMs: ProducerWindowMs,
});
export type StreamConfig = v.InferOutput<typeof StreamConfig>;

/** Fields left out stay as they are, `null` puts one back to its default. */
export const ConfigureStreamParams = v.strictObject({
  stream: StreamName,
  maxAgeMs: v.optional(v.nullable(MaxAgeMs)),
  maxMessages: v.optional(v.nullable(MaxMessages)),
  maxBytes: v.optional(v.nullable(MaxBytes)),
  discard: v.optional(v.nullable(Discard)),
  duplicateWindowMs: v.optional(v.nullable(DuplicateWindowMs)),
  producerWindowMs: v.optional(v.nullable(ProducerWindowMs)),
});
export type ConfigureStreamParams = v.InferOutput<typeof ConfigureStreamParams>;

export const StreamParams = v.strictObject({ stream: StreamName });
export type StreamParams = v.InferOutput<typeof StreamParams>;

export const StreamInfo = v.strictObject({
  stream: StreamName,
  epoch: Epoch,
  createdAt: Time,
  config: StreamConfig,
  firstSequence: Sequence,
  lastSequence: SequenceOrZero,
  messages: v.pipe(SequenceOrZero, v.description("How many messages there are.")),
  bytes: v.pipe(SequenceOrZero, v.description("Message text stored, by whole batches.")),
  stateRevision: SequenceOrZero,
  consumers: SequenceOrZero,
  gateways: v.pipe(SequenceOrZero, v.description("Gateways that new messages are pushed to.")),
});
export type StreamInfo = v.InferOutput<typeof StreamInfo>;

/** With `epoch` it is safe to repeat: a stream that was made since is another one, and stays. */
export const DeleteStreamParams = v.strictObject({
  stream: StreamName,
  epoch: v.optional(v.pipe(Epoch, v.description("The life to delete: EpochChanged when the stream has another."))),
});
export type DeleteStreamParams = v.InferOutput<typeof DeleteStreamParams>;

export const DeleteStreamResult = v.strictObject({
  deleted: v.pipe(v.boolean(), v.description("False when there was none.")),
});
export type DeleteStreamResult = v.InferOutput<typeof DeleteStreamResult>;
