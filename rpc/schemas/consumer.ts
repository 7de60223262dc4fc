import * as v from "valibot";

import { LIMITS } from "../protocol/limits.ts";
import { ConsumerMessage, From, SequenceRange } from "./message.ts";
import {
  ConsumerName,
  countOf,
  durationMs,
  Epoch,
  ExpectedEpoch,
  Sequence,
  SequenceOrZero,
  StreamName,
  SubjectFilter,
  Time,
} from "./names.ts";
import { NakDelayMs } from "./subscription.ts";
import { upTo } from "./up-to.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const Count = SequenceOrZero;
const AckWaitMs = durationMs(100, HOUR_MS, "A message not acked for this long is redelivered; 30,000 unless given.");
const MaxDeliver = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1),
  v.maxValue(100),
  v.description(
    "How often the delivery of a message may fail before it goes to the dead letters; 5 unless given. A nak counts as a failure. So does a lost connection or a missed ack deadline, when the message was the only one in flight at its subscription or lease. When several were in flight, it is unknown which one failed: none counts, and from the second time on each is delivered alone. A Close, an unsubscribe and a restart of the server do not count.",
  ),
);
const MaxInFlight = v.pipe(
  upTo(LIMITS.maxInFlight),
  v.description(
    "Most messages in flight at all subscriptions and leases together; 1,000 unless given, 1 for strict order.",
  ),
);
const BackoffMs = v.pipe(
  v.array(durationMs(0, DAY_MS, "Wait before one more delivery.")),
  v.maxLength(16),
  v.description(
    "Waits before the second delivery, the third and so on. The last one repeats; with an empty list there is no wait.",
  ),
);

/** The config of a consumer, with the changes of `updateConsumer`. `from` is where it started when it was created. */
export const ConsumerConfig = v.strictObject({
  from: From,
  filter: v.optional(SubjectFilter),
  ackWaitMs: AckWaitMs,
  maxDeliver: MaxDeliver,
  maxInFlight: MaxInFlight,
  backoffMs: BackoffMs,
});
export type ConsumerConfig = v.InferOutput<typeof ConsumerConfig>;

export const LostMessages = v.strictObject({
  from: v.pipe(Sequence, v.description("The lowest of them.")),
  to: v.pipe(Sequence, v.description("The highest of them. Not all between the two were lost.")),
  total: countOf("How many were lost."),
  totalIsEstimate: v.optional(
    v.pipe(
      v.literal(true),
      v.description(
        "There may be more than `total`: so much was deleted at once that not all of it could be counted. Left out when it is exact.",
      ),
    ),
  ),
});

/** The config and progress of a consumer. */
export const ConsumerInfo = v.strictObject({
  consumer: ConsumerName,
  epoch: Epoch,
  config: v.pipe(ConsumerConfig, v.description("With the defaults that apply.")),
  ackFloor: v.pipe(SequenceOrZero, v.description("Every matching message up to here is acked, dead or lost.")),
  pending: v.pipe(Count, v.description("Matching messages that are neither acked nor in flight.")),
  pendingIsEstimate: v.optional(
    v.pipe(
      v.literal(true),
      v.description(
        "`pending` is still being counted, and is at least what it says. Left out when it is exact. Ask again: the count goes on meanwhile.",
      ),
    ),
  ),
  inFlight: v.pipe(Count, v.description("Messages delivered and not acked, within their ack deadline.")),
  redelivered: v.pipe(Count, v.description("Messages not acked that were delivered more than once.")),
  deadLetters: countOf("Messages that it no longer delivers."),
  lost: v.optional(
    v.pipe(LostMessages, v.description("Matching messages that were deleted from the stream before they were acked.")),
  ),
  paused: v.pipe(v.boolean(), v.description("While true nothing is delivered.")),
  subscriptions: v.pipe(Count, v.description("Subscriptions that share the consumer now.")),
  /** In the answer to createConsumer and seekConsumer. */
  skipped: v.optional(SequenceRange),
});
export type ConsumerInfo = v.InferOutput<typeof ConsumerInfo>;

export const CreateConsumerParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  from: v.optional(From),
  epoch: v.optional(ExpectedEpoch),
  filter: v.optional(SubjectFilter),
  ackWaitMs: v.optional(AckWaitMs),
  maxDeliver: v.optional(MaxDeliver),
  maxInFlight: v.optional(MaxInFlight),
  backoffMs: v.optional(BackoffMs),
});
export type CreateConsumerParams = v.InferOutput<typeof CreateConsumerParams>;

/** Fields left out keep their value, `null` resets one to its default. The consumer keeps its position. */
export const UpdateConsumerParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  filter: v.optional(
    v.pipe(
      v.nullable(SubjectFilter),
      v.description(
        "Applies from the next new message on: the first that the old filter would have matched. Messages that were " +
          "delivered and not acked stay, in flight, waiting or dead. seekConsumer goes back for those that were skipped.",
      ),
    ),
  ),
  ackWaitMs: v.optional(
    v.pipe(
      v.nullable(AckWaitMs),
      v.description("Applies from the next delivery or `working`. Messages in flight keep their deadline."),
    ),
  ),
  maxDeliver: v.optional(
    v.pipe(
      v.nullable(MaxDeliver),
      v.description(
        "A waiting message that was delivered as often already is dead at once; one in flight may still be acked. Dead " +
          "letters stay dead when it grows.",
      ),
    ),
  ),
  maxInFlight: v.optional(
    v.pipe(
      v.nullable(MaxInFlight),
      v.description(
        "Messages in flight stay: no more are delivered until there are fewer. At 1 the rest is delivered in the " +
          "stream's order.",
      ),
    ),
  ),
  backoffMs: v.optional(
    v.pipe(
      v.nullable(BackoffMs),
      v.description("Applies from the next failed delivery. Messages that wait already keep their time."),
    ),
  ),
});
export type UpdateConsumerParams = v.InferOutput<typeof UpdateConsumerParams>;

export const ConsumerParams = v.strictObject({ stream: StreamName, consumer: ConsumerName });
export type ConsumerParams = v.InferOutput<typeof ConsumerParams>;

export const ListConsumersResult = v.strictObject({
  consumers: v.pipe(v.array(ConsumerInfo), v.description("In the order of their names.")),
});
export type ListConsumersResult = v.InferOutput<typeof ListConsumersResult>;

export const PauseConsumerParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  paused: v.pipe(v.boolean(), v.description("While true nothing is delivered. Acks still count.")),
});
export type PauseConsumerParams = v.InferOutput<typeof PauseConsumerParams>;

export const SeekConsumerParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  from: From,
  epoch: v.optional(ExpectedEpoch),
});
export type SeekConsumerParams = v.InferOutput<typeof SeekConsumerParams>;

/** Identifies the messages of one fetch, to ack them. It is unique over all consumers, so it needs no epoch. */
export const Lease = v.pipe(v.string(), v.minLength(1), v.maxLength(64), v.description("As fetchMessages gave it."));

export const FetchMessagesParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  limit: v.optional(v.pipe(upTo(LIMITS.pageMessages), v.description("Most messages to take; 100 unless given."))),
});
export type FetchMessagesParams = v.InferOutput<typeof FetchMessagesParams>;

export const FetchMessagesResult = v.strictObject({
  epoch: Epoch,
  lease: Lease,
  messages: v.pipe(
    v.array(ConsumerMessage),
    v.description("Empty when there is none to deliver now. Fewer than `limit` may be, though there are more."),
  ),
});
export type FetchMessagesResult = v.InferOutput<typeof FetchMessagesResult>;

export const AckMessagesParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  lease: Lease,
  sequences: v.pipe(
    v.array(Sequence),
    v.minLength(1),
    v.maxLength(LIMITS.maxInFlight),
    v.description("Messages of the lease."),
  ),
  outcome: v.optional(v.pipe(v.picklist(["ack", "nak", "term"]), v.description("`ack` unless given."))),
  delayMs: v.optional(NakDelayMs),
});
export type AckMessagesParams = v.InferOutput<typeof AckMessagesParams>;

export const DeadLetter = v.strictObject({
  sequence: Sequence,
  deliveries: v.pipe(Count, v.description("How often it was delivered, including deliveries that did not count.")),
  reason: v.pipe(v.string(), v.description("`maxDeliver`, `term`, or the reason that a term gave.")),
  deadAt: v.pipe(Time, v.description("When it went to the dead letters.")),
});
export type DeadLetter = v.InferOutput<typeof DeadLetter>;

export const GetDeadLettersParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  from: v.optional(v.pipe(Sequence, v.description("The first sequence to look at; the lowest unless given."))),
  epoch: v.optional(ExpectedEpoch),
  limit: v.optional(v.pipe(upTo(LIMITS.pageMessages), v.description("Most dead letters; 500 unless given."))),
});
export type GetDeadLettersParams = v.InferOutput<typeof GetDeadLettersParams>;

export const GetDeadLettersResult = v.strictObject({
  epoch: Epoch,
  deadLetters: v.pipe(v.array(DeadLetter), v.description("In the order of their sequences.")),
});
export type GetDeadLettersResult = v.InferOutput<typeof GetDeadLettersResult>;

export const ChangeDeadLettersParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  sequences: v.optional(
    v.pipe(v.array(Sequence), v.minLength(1), v.maxLength(LIMITS.maxInFlight), v.description("All unless given.")),
  ),
  epoch: v.optional(ExpectedEpoch),
});
export type ChangeDeadLettersParams = v.InferOutput<typeof ChangeDeadLettersParams>;

export const ChangeDeadLettersResult = v.strictObject({ count: countOf("How many there were.") });
export type ChangeDeadLettersResult = v.InferOutput<typeof ChangeDeadLettersResult>;
