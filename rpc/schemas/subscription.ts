import * as v from "valibot";

import { LIMITS } from "../protocol/limits.ts";
import { From, SequenceRange } from "./message.ts";
import {
  ConsumerName,
  countOf,
  durationMs,
  Epoch,
  ExpectedEpoch,
  Sequence,
  StreamName,
  SubjectFilter,
  Time,
} from "./names.ts";
import { NAK_DELAY_MS, TERM_REASON_CHARACTERS } from "../protocol/protocol.ts";

/** The number of a subscription: 1, 2, 3, … on its socket, never reused there. */
export const SubscriptionId = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1),
  v.description("Number of a subscription, on its socket only."),
);

const MaxInFlight = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1),
  v.maxValue(LIMITS.maxInFlight),
  v.description("Most messages sent and not acked; 256 unless given, 1 for strictly one at a time."),
);

/** Follows a stream with a cursor of its own. */
export const SubscribeStreamParams = v.strictObject({
  stream: StreamName,
  from: v.optional(From),
  epoch: v.optional(ExpectedEpoch),
  filter: v.optional(SubjectFilter),
  maxInFlight: v.optional(MaxInFlight),
  ackWaitMs: v.optional(
    durationMs(
      100,
      3_600_000,
      "After this long without a new ack, all messages after the last ack are sent again; 30,000 unless given.",
    ),
  ),
  maxDeliver: v.optional(
    v.pipe(
      v.number(),
      v.safeInteger(),
      v.minValue(1),
      v.maxValue(100),
      v.description("How often a message is sent before the subscription is closed with ackTimeout; 5 unless given."),
    ),
  ),
});
export type SubscribeStreamParams = v.InferOutput<typeof SubscribeStreamParams>;

/** Takes a share of a consumer's messages. */
export const SubscribeConsumerParams = v.strictObject({
  stream: StreamName,
  consumer: ConsumerName,
  maxInFlight: v.optional(MaxInFlight),
  seen: v.optional(
    v.pipe(
      v.strictObject({ sequence: Sequence, publishedAt: Time }),
      v.description(
        "The newest message of the consumer that the caller has had: Conflict when the log does not have it, because the " +
          "stream was restored to an earlier state.",
      ),
    ),
  ),
});
export type SubscribeConsumerParams = v.InferOutput<typeof SubscribeConsumerParams>;

export const SubscribeParams = v.union([SubscribeStreamParams, SubscribeConsumerParams]);
export type SubscribeParams = v.InferOutput<typeof SubscribeParams>;

export const SubscribeResult = v.strictObject({
  subscription: SubscriptionId,
  stream: StreamName,
  epoch: Epoch,
  nextSequence: v.pipe(Sequence, v.description("The first sequence that this subscription may be sent.")),
  previousPublishedAt: v.optional(
    v.pipe(
      Time,
      v.description("`publishedAt` of the message before `nextSequence`, if it is known; of a stream only."),
    ),
  ),
  lastSequence: countOf("The last sequence of the stream; 0 before its first message."),
  skipped: v.optional(SequenceRange),
});
export type SubscribeResult = v.InferOutput<typeof SubscribeResult>;

export const UnsubscribeParams = v.strictObject({ subscription: SubscriptionId });
export type UnsubscribeParams = v.InferOutput<typeof UnsubscribeParams>;

const Sequences = v.pipe(
  v.array(Sequence),
  v.minLength(1),
  v.maxLength(LIMITS.maxInFlight),
  v.description("These messages, of those that this subscription was sent."),
);

export const AckParams = v.union([
  v.strictObject({
    subscription: SubscriptionId,
    through: v.pipe(
      Sequence,
      v.description(
        "This message and all before it are done; on a consumer, those of them that this subscription was sent.",
      ),
    ),
  }),
  v.strictObject({
    subscription: SubscriptionId,
    sequences: v.pipe(Sequences, v.description("These messages are done. On a consumer only.")),
  }),
]);
export type AckParams = v.InferOutput<typeof AckParams>;

/** The wait before the redelivery of a message after a nak. */
export const NakDelayMs = durationMs(
  NAK_DELAY_MS.least,
  NAK_DELAY_MS.most,
  "Wait before the next delivery, instead of the consumer's backoff.",
);

/** The reason of a term, which is kept with the dead letter. */
export const TermReason = v.pipe(
  v.string(),
  v.minLength(TERM_REASON_CHARACTERS.least),
  v.maxLength(TERM_REASON_CHARACTERS.most),
  v.description("Kept with the dead letter; `term` unless given."),
);

export const NakParams = v.strictObject({
  subscription: SubscriptionId,
  sequences: Sequences,
  delayMs: v.optional(NakDelayMs),
});
export type NakParams = v.InferOutput<typeof NakParams>;

export const TermParams = v.strictObject({
  subscription: SubscriptionId,
  sequences: Sequences,
  reason: v.optional(TermReason),
});
export type TermParams = v.InferOutput<typeof TermParams>;

export const WorkingParams = v.strictObject({ subscription: SubscriptionId, sequences: Sequences });
export type WorkingParams = v.InferOutput<typeof WorkingParams>;

/** An empty result: the call was done. */
export const Done = v.strictObject({});
export type Done = v.InferOutput<typeof Done>;
