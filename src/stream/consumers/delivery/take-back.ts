import type { Consumer } from "../consumer.ts";

import type { AddressedBatch } from "./dispatcher.ts";
import type { PushOutcome } from "./pusher.ts";

/** Takes back a batch of a push that certainly or possibly did not reach its subscription; none that did. */
export function takeBack(
  consumer: Consumer | undefined,
  addressed: AddressedBatch,
  { unknown, full, isUnsure, nowMs }: Omit<PushOutcome, "batches"> & { nowMs: number },
): void {
  const { sequences, batch } = addressed;
  if (unknown.has(batch.holder) || full.has(addressed)) {
    consumer?.cursor.revertDelivery(batch.holder, sequences, nowMs);
  } else if (isUnsure) {
    consumer?.cursor.markUncertain(batch.holder, sequences, nowMs);
  }
}
