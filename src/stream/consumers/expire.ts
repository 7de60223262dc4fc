import type { Consumer } from "./consumer.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { leasesOf } from "./lease.ts";

/** Takes back what passed its ack deadline; a lease with nothing left in flight is released. */
export function expire(consumer: Consumer, deadLetters: DeadLetters, nowMs: number): void {
  if (consumer.nextDeadline(nowMs) > nowMs) {
    return;
  }
  const { cursor } = consumer;
  const { version } = cursor;
  deadLetters.add(consumer.id, cursor.expire(nowMs));
  if (cursor.version !== version) {
    leasesOf(consumer)
      .filter((holder) => cursor.inFlightOf(holder) === 0)
      .forEach((holder) => cursor.release({ holder, isLost: false, nowMs }));
  }
}
