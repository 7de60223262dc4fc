import * as v from "valibot";

import { LIMITS } from "../protocol/limits.ts";
import { countOf, Epoch, ExpectedEpoch, Sequence, StreamName, Time } from "./names.ts";
import { upTo } from "./up-to.ts";

/** The name of a producer: 1 to 64 characters, chosen by the producer. */
export const ProducerId = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(LIMITS.producerIdCharacters),
  v.description("Name of a producer, chosen by itself: 1 to 64 characters."),
);

const ProducerEpoch = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(0),
  v.description(
    "A higher one takes the producer over and starts at sequence 1; a lower one is Conflict. 0 unless given.",
  ),
);

const ProducerSequence = v.pipe(
  v.number(),
  v.safeInteger(),
  v.minValue(1),
  v.description(
    "Counts the messages of this producer in this stream from 1; a batch takes as many as it has messages.",
  ),
);

/**
 * Who publishes, and how many messages it has published to the stream before. The next sequence is stored, one that is
 * stored already is a `duplicate`, and one further on is Conflict: nothing is stored twice, left out or overtaken.
 */
export const Producer = v.strictObject({
  id: ProducerId,
  sequence: ProducerSequence,
  epoch: v.optional(ProducerEpoch),
  after: v.optional(
    v.pipe(
      v.strictObject({
        epoch: countOf("Its epoch, as the caller knows it."),
        sequence: countOf("Its last sequence, as the caller knows it."),
      }),
      v.description(
        "Of the first publish of an epoch: take over only if the producer's epoch and last sequence are these, both 0 for " +
          "one that is not known. Conflict when they are others.",
      ),
    ),
  ),
});
export type Producer = v.InferOutput<typeof Producer>;

/** Where a producer is: what its next publish goes by. */
export const ProducerPosition = v.strictObject({
  id: ProducerId,
  epoch: countOf("Its epoch; 0 for one that is not known."),
  sequence: countOf("The producer's last sequence that is stored; 0 for none."),
});

/** What a stream knows of one producer. */
export const ProducerInfo = v.strictObject({
  producer: ProducerPosition,
  lastSequence: v.pipe(Sequence, v.description("The stream's sequence of the producer's last message.")),
  lastPublishedAt: v.pipe(
    Time,
    v.description("When that was stored: the producer is forgotten `producerWindowMs` later."),
  ),
});
export type ProducerInfo = v.InferOutput<typeof ProducerInfo>;

export const GetProducerParams = v.strictObject({
  stream: StreamName,
  producer: ProducerId,
  epoch: v.optional(ExpectedEpoch),
});
export type GetProducerParams = v.InferOutput<typeof GetProducerParams>;

/** Of a producer that is not known: epoch and sequence 0, and nothing of its last message. */
export const GetProducerResult = v.strictObject({
  epoch: v.optional(v.pipe(Epoch, v.description("Left out for a stream that was never used."))),
  producer: ProducerPosition,
  lastSequence: v.optional(v.pipe(Sequence, v.description("The stream's sequence of the producer's last message."))),
  lastPublishedAt: v.optional(v.pipe(Time, v.description("When that was stored."))),
});
export type GetProducerResult = v.InferOutput<typeof GetProducerResult>;

export const ListProducersParams = v.strictObject({
  stream: StreamName,
  after: v.optional(
    v.pipe(ProducerId, v.description("Only those whose id comes after this one, in the order of UTF-16.")),
  ),
  limit: v.optional(v.pipe(upTo(LIMITS.pageProducers), v.description("Most producers of the page; 500 unless given."))),
  epoch: v.optional(ExpectedEpoch),
});
export type ListProducersParams = v.InferOutput<typeof ListProducersParams>;

export const ListProducersResult = v.strictObject({
  epoch: Epoch,
  producers: v.pipe(v.array(ProducerInfo), v.description("In the order of their ids, by UTF-16.")),
  more: v.pipe(v.boolean(), v.description("Whether there are others after the last of these.")),
});
export type ListProducersResult = v.InferOutput<typeof ListProducersResult>;
