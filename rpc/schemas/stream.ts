import * as v from "valibot";

import { LIMITS } from "../protocol/limits.ts";
import { countOf, durationMs, Epoch, Sequence, StreamName, Time } from "./names.ts";
import { upTo } from "./up-to.ts";

const DAY_MS = 86_400_000;

const MaxAgeMs = durationMs(1, 3650 * DAY_MS, "Messages older than this are dropped.");
const MaxMessages = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.description("Most messages kept."));
const MaxBytes = v.pipe(
  upTo(LIMITS.streamMaxBytes),
  v.description("Most bytes of message text kept, sequences and times included. Whole batches are dropped."),
);
const Discard = v.pipe(
  v.picklist(["old", "new"]),
  v.description(
    "At maxMessages or maxBytes: `old` (the default) drops the oldest messages, `new` refuses publishes with LimitReached " +
      "until there is room. With `new` only maxAgeMs drops messages: a bound set below what is stored drops none.",
  ),
);
const DuplicateWindowMs = durationMs(100, DAY_MS, "How long a publish id is remembered; 120,000 unless configured.");

const ProducerWindowMs = durationMs(
  1_000,
  365 * DAY_MS,
  "How long a producer is remembered after its last message; 604,800,000 (7 days) unless configured.",
);

/** What a stream keeps and for how long. A bound that is absent is not set. */
export const StreamConfig = v.strictObject({
  maxAgeMs: v.optional(MaxAgeMs),
  maxMessages: v.optional(MaxMessages),
  maxBytes: v.optional(MaxBytes),
  discard: Discard,
  duplicateWindowMs: DuplicateWindowMs,
  producerWindowMs: ProducerWindowMs,
});
export type StreamConfig = v.InferOutput<typeof StreamConfig>;

/** Fields left out keep their value, `null` resets one to its default. */
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

/** Of streams that come and go meanwhile: one that exists throughout is in exactly one page. */
export const ListStreamsParams = v.strictObject({
  prefix: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(128),
      v.regex(/^[A-Za-z0-9._-]*$/, "must be the beginning of a stream's name"),
      v.description("Only streams whose name begins with it."),
    ),
  ),
  after: v.optional(
    v.pipe(StreamName, v.description("Only streams whose name comes after this one: `after` of the page before.")),
  ),
  limit: v.optional(
    v.pipe(
      upTo(LIMITS.pageStreams),
      v.description("Most streams; 100 unless given. There may be fewer although more follow."),
    ),
    100,
  ),
});
export type ListStreamsParams = v.InferOutput<typeof ListStreamsParams>;

export const ListStreamsResult = v.strictObject({
  streams: v.pipe(
    v.array(v.strictObject({ stream: StreamName, epoch: Epoch, createdAt: Time })),
    v.description("In the order of their names' characters."),
  ),
  after: v.optional(v.pipe(StreamName, v.description("For the next page; absent on the last."))),
});
export type ListStreamsResult = v.InferOutput<typeof ListStreamsResult>;

export const StreamInfo = v.strictObject({
  stream: StreamName,
  epoch: Epoch,
  createdAt: v.pipe(Time, v.description("When this epoch began.")),
  config: v.pipe(StreamConfig, v.description("With the defaults that apply.")),
  firstSequence: v.pipe(
    Sequence,
    v.description("The first message of the stream; one past the last when it has none."),
  ),
  lastSequence: countOf("The last sequence of the stream; 0 before its first message."),
  messages: countOf("Number of messages."),
  bytes: countOf("Bytes of message text stored, counted by whole batches."),
  stateRevision: countOf("The revision of the state document; 0 before the first put."),
  consumers: countOf("Number of consumers."),
  gateways: countOf("Number of gateways that new messages are pushed to."),
});
export type StreamInfo = v.InferOutput<typeof StreamInfo>;

/** With `epoch` it is safe to repeat: a stream that was made since has another epoch, and stays. */
export const DeleteStreamParams = v.strictObject({
  stream: StreamName,
  epoch: v.optional(v.pipe(Epoch, v.description("The epoch to delete: EpochChanged when the stream has another."))),
});
export type DeleteStreamParams = v.InferOutput<typeof DeleteStreamParams>;

export const DeleteStreamResult = v.strictObject({
  deleted: v.pipe(v.boolean(), v.description("False when there was none.")),
});
export type DeleteStreamResult = v.InferOutput<typeof DeleteStreamResult>;
