import type { Consumer } from "./consumer.ts";
import { MAX_UNSETTLED_MESSAGES } from "./cursor/types.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Log } from "../log/log.ts";

type ConsumersHost = { readonly letters: DeadLetters; readonly log: Log; readonly nowMs: number };

/** Puts back a consumer's dead letters, all or some, that still have their message, as far as there is room; returns how many. */
export function retryDeadLetters(
  consumer: Consumer,
  sequences: readonly number[] | undefined,
  consumers: ConsumersHost,
): number {
  if (sequences !== undefined) {
    return putBack(consumer, consumers.letters.among(consumer.id, sequences), consumers).count;
  }
  let total = 0;
  // Page by page: most of them may have lost their message.
  for (let from = 0; ;) {
    const page = consumers.letters.read(consumer.id, from, MAX_UNSETTLED_MESSAGES).map(({ sequence }) => sequence);
    const { count, isFull } = putBack(consumer, page, consumers);
    total += count;
    const last = page.at(-1);
    if (last === undefined || isFull) {
      return total;
    }
    from = last + 1;
  }
}

function putBack({ id, cursor }: Consumer, dead: readonly number[], { letters, log, nowMs }: ConsumersHost) {
  const existing = log.existing(dead);
  const taken = cursor.requeue(existing, nowMs);
  return { count: letters.delete(id, taken), isFull: taken.length < existing.length };
}
