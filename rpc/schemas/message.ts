import * as v from "valibot";

import { LIMITS } from "../protocol/limits.ts";
import {
  countOf,
  Epoch,
  ExpectedEpoch,
  PublishId,
  Sequence,
  StreamName,
  Subject,
  SubjectFilter,
  Time,
} from "./names.ts";
import { Producer } from "./producer.ts";
import { StringRecord } from "./string-record.ts";
import { upTo } from "./up-to.ts";

const MAX_HEADERS = 32;
const MAX_HEADER_CHARACTERS = 4096;

/** Up to 32 string pairs, 4,096 characters in all. */
export const Headers = v.pipe(
  StringRecord,
  v.record(v.pipe(v.string(), v.minLength(1)), v.string()),
  v.maxEntries(MAX_HEADERS),
  v.check(
    (headers) =>
      Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0) <=
      MAX_HEADER_CHARACTERS,
    `must be at most ${MAX_HEADER_CHARACTERS} characters in all`,
  ),
  v.description(`Up to ${MAX_HEADERS} string pairs, ${MAX_HEADER_CHARACTERS} characters in all.`),
);
export type Headers = v.InferOutput<typeof Headers>;

/** Any JSON value. */
export const JsonValue = v.pipe(v.unknown(), v.description("Any JSON value."));

/** A message as it is stored and sent to clients. */
export const Message = v.strictObject({
  sequence: Sequence,
  publishedAt: Time,
  subject: v.optional(Subject),
  data: JsonValue,
  headers: v.optional(Headers),
  id: v.optional(PublishId),
});
export type Message = v.InferOutput<typeof Message>;

const DeliveryCount = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1),
  v.description("How often the consumer has delivered this message, this time included."),
);

/** A message as a consumer delivers it. */
export const ConsumerMessage = v.strictObject({ deliveryCount: DeliveryCount, ...Message.entries });
export type ConsumerMessage = v.InferOutput<typeof ConsumerMessage>;

/** A message of either kind of subscription. */
export const DeliveredMessage = v.strictObject({ deliveryCount: v.optional(DeliveryCount), ...Message.entries });
export type DeliveredMessage = v.InferOutput<typeof DeliveredMessage>;

/** A condition on the stream for a publish to happen. */
export const Expect = v.strictObject({
  lastSequence: v.optional(countOf("Publish only if this is the stream's last sequence; 0 for an empty one.")),
});
export type Expect = v.InferOutput<typeof Expect>;

export const PublishParams = v.strictObject({
  stream: StreamName,
  data: JsonValue,
  subject: v.optional(Subject),
  headers: v.optional(Headers),
  id: v.optional(PublishId),
  producer: v.optional(Producer),
  expect: v.optional(Expect),
  epoch: v.optional(ExpectedEpoch),
});
export type PublishParams = v.InferOutput<typeof PublishParams>;

/** Of a duplicate that is too old for its own place to be known. */
const Approximate = v.pipe(
  v.literal(true),
  v.description("Its own place is not known any more: sequence and time are those of the producer's last message."),
);

export const PublishResult = v.strictObject({
  stream: StreamName,
  epoch: Epoch,
  sequence: Sequence,
  publishedAt: Time,
  duplicate: v.pipe(
    v.boolean(),
    v.description("True when the id was known: the answer says where it was first stored."),
  ),
});
export type PublishResult = v.InferOutput<typeof PublishResult>;

export const PublishBatchParams = v.strictObject({
  stream: StreamName,
  messages: v.pipe(
    v.array(v.strictObject({ data: JsonValue, subject: v.optional(Subject), headers: v.optional(Headers) })),
    v.minLength(1),
    v.maxLength(LIMITS.batchMessages),
    v.description("The messages, in the order of their sequences."),
  ),
  id: v.optional(PublishId),
  producer: v.optional(Producer),
  expect: v.optional(Expect),
  epoch: v.optional(ExpectedEpoch),
});
export type PublishBatchParams = v.InferOutput<typeof PublishBatchParams>;

/** Messages of a batch that stand together in the stream. */
export const StoredRange = v.strictObject({
  count: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.description("Messages of the batch, in its order.")),
  firstSequence: Sequence,
  publishedAt: Time,
  duplicate: v.pipe(v.boolean(), v.description("Whether they were stored before.")),
  approximate: v.optional(Approximate),
});
export type StoredRange = v.InferOutput<typeof StoredRange>;

export const PublishBatchResult = v.strictObject({
  stream: StreamName,
  epoch: Epoch,
  firstSequence: Sequence,
  lastSequence: Sequence,
  publishedAt: Time,
  duplicate: v.pipe(v.boolean(), v.description("True when all of it was stored before.")),
  ranges: v.optional(
    v.pipe(
      v.array(StoredRange),
      v.description(
        "Where each part is, when a producer's batch does not stand together: some of it was stored before, cut otherwise. " +
          "The first and last sequence are then those of its first and last message.",
      ),
    ),
  ),
});
export type PublishBatchResult = v.InferOutput<typeof PublishBatchResult>;

/** Sent with a position, to detect that the stream was restored and has another log than the position belongs to. */
export const PreviousPublishedAt = v.pipe(
  Time,
  v.description(
    "`publishedAt` of the message before, as the caller knows it: Conflict when the stream has another message there.",
  ),
);

/** Where to start in a stream. */
export const From = v.pipe(
  v.union([
    v.picklist(["first", "new"]),
    v.strictObject({
      sequence: v.pipe(
        Sequence,
        v.description(
          "Begin with this message: at most one past the last, Conflict beyond that. Below the first that still exists is " +
            "no error.",
        ),
      ),
      time: v.optional(v.pipe(Time, v.description("Begin with nothing that was published before this time."))),
      previousPublishedAt: v.optional(PreviousPublishedAt),
    }),
    v.strictObject({
      time: v.pipe(
        Time,
        v.description(
          "Begin with the first message published at or after this time, which may be in the future: nothing published " +
            "before it is delivered then.",
        ),
      ),
    }),
    v.strictObject({ last: countOf("Begin with the last so many messages; 0 is `new`.") }),
  ]),
  v.description(
    "`first` (the default): the first message of the stream; `new`: messages published from now on; `{ sequence }`: this " +
      "message, at most one past the last, Conflict beyond that; `{ time }`: the first message published at or after this " +
      "time, which may be in the future; `{ sequence, time }`: the later of both; `{ last: n }`: the last n messages.",
  ),
);
export type From = v.InferOutput<typeof From>;

export const GetMessagesParams = v.strictObject({
  stream: StreamName,
  from: v.optional(From),
  epoch: v.optional(ExpectedEpoch),
  filter: v.optional(SubjectFilter),
  limit: v.optional(
    v.pipe(
      upTo(LIMITS.pageMessages),
      v.description("Most messages of the page, which has at most 1 MiB of text besides; 500 unless given."),
    ),
  ),
});
export type GetMessagesParams = v.InferOutput<typeof GetMessagesParams>;

/** Sequences that a read asked for and that were deleted before, because it started below the first message. */
export const SequenceRange = v.pipe(
  v.strictObject({ from: Sequence, to: Sequence }),
  v.description("Asked for, but deleted before."),
);
export type SequenceRange = v.InferOutput<typeof SequenceRange>;

export const GetMessagesResult = v.strictObject({
  epoch: Epoch,
  messages: v.pipe(v.array(Message), v.description("In the stream's order; none when there is none to read.")),
  nextSequence: v.pipe(
    Sequence,
    v.description("Where the next page begins. Past `lastSequence`: this was the last page."),
  ),
  lastSequence: countOf("The last sequence of the stream; 0 before its first message."),
  skipped: v.optional(SequenceRange),
});
export type GetMessagesResult = v.InferOutput<typeof GetMessagesResult>;

export const DeleteMessagesParams = v.union([
  v.strictObject({
    stream: StreamName,
    through: v.pipe(Sequence, v.description("Delete everything up to and with this sequence.")),
    epoch: v.optional(ExpectedEpoch),
  }),
  v.strictObject({
    stream: StreamName,
    sequences: v.pipe(
      v.array(Sequence),
      v.minLength(1),
      v.maxLength(LIMITS.pageMessages),
      v.description("Delete these messages. One that is not there is no error."),
    ),
    epoch: v.optional(ExpectedEpoch),
  }),
]);
export type DeleteMessagesParams = v.InferOutput<typeof DeleteMessagesParams>;

export const DeleteMessagesResult = v.strictObject({
  epoch: Epoch,
  deleted: countOf("How many messages there were to delete."),
  firstSequence: v.pipe(
    Sequence,
    v.description("The first message of the stream; one past the last when it has none."),
  ),
  lastSequence: countOf("The last sequence of the stream."),
});
export type DeleteMessagesResult = v.InferOutput<typeof DeleteMessagesResult>;
