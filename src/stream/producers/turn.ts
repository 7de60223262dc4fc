import type { ProducerState } from "../../../rpc/index.ts";
import type { PublishProducer } from "../../internal/producer-runs.ts";
import type { Refused } from "../../platform/refused.ts";
import { refuse } from "../refuse.ts";

/** Of a producer that the stream does not know. */
const UNKNOWN: ProducerState = { epoch: 0, sequence: 0 };

/**
 * Whether it is a producer's turn to store messages: the next sequence is stored, what comes again is passed over, what
 * is further on is refused, and so is an epoch that another has taken over.
 *
 * @returns How many numbers from `sequence` on are stored already; it may be more than the request has.
 */
export function turnOf(
  { epoch, sequence, after }: PublishProducer,
  known: ProducerState = UNKNOWN,
): { stored: number } | Refused {
  const { epoch: knownEpoch, sequence: last } = known;
  if (epoch < knownEpoch) {
    return refuseTurn("the producer's epoch was taken over", known);
  }
  const takesOver = epoch > knownEpoch;
  if (takesOver && after !== undefined && (after.epoch !== knownEpoch || after.sequence !== last)) {
    return refuseTurn("the producer is elsewhere", known);
  }
  const next = takesOver ? 1 : last + 1;
  return sequence > next
    ? refuseTurn("a message of the producer before this one is not stored", known)
    : { stored: next - sequence };
}

function refuseTurn(message: string, { epoch, sequence }: ProducerState): Refused {
  return refuse("Conflict", message, { producer: { epoch, sequence } });
}
