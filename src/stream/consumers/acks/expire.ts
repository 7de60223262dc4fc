import type { Consumer } from "../consumer.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import { leasesOf } from "../lease.ts";
import { TurnWork } from "./turn-work.ts";

/**
 * Takes back what passed its ack deadline, as much as one turn may; a lease with nothing left in flight is released.
 *
 * @returns Whether that is all. What is left stays in flight.
 */
export function expire(consumers: readonly Consumer[], deadLetters: DeadLetters, nowMs: number): boolean {
  const work = new TurnWork();
  const isOverdue = (consumer: Consumer) => consumer.nextDeadline(nowMs) <= nowMs;
  return consumers.every((consumer) => {
    if (isOverdue(consumer)) {
      work.change(consumer, () => expireOf(consumer, deadLetters, { nowMs, limit: work.redeliveries }));
    }
    return !isOverdue(consumer);
  });
}

function expireOf(
  consumer: Consumer,
  deadLetters: DeadLetters,
  { nowMs, limit }: { nowMs: number; limit: number },
): void {
  const { cursor } = consumer;
  deadLetters.add(consumer.id, cursor.expire(nowMs, limit));
  leasesOf(consumer)
    .filter((holder) => cursor.inFlightOf(holder) === 0)
    .forEach((holder) => cursor.release({ holder, isLost: false, nowMs }));
}
