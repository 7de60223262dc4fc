import type { Log } from "../log/log.ts";

import type { Consumer } from "./consumer.ts";
import { MAX_UNSETTLED_MESSAGES } from "./cursor/types.ts";
import type { DeadLetters } from "./dead-letters.ts";

type Sources = { readonly letters: DeadLetters; readonly log: Log; readonly nowMs: number };

/**
 * Makes a consumer's dead letters due for delivery again, all or some, if the log has their message and the cursor has
 * room; returns how many.
 */
export function retryDeadLetters(
  consumer: Consumer,
  sequences: readonly number[] | undefined,
  sources: Sources,
): number {
  if (sequences !== undefined) {
    return requeue(consumer, sources.letters.among(consumer.id, sequences), sources).count;
  }
  let total = 0;
  // Page by page, because the messages of many may be deleted.
  for (let from = 0; ;) {
    const page = sources.letters.read(consumer.id, from, MAX_UNSETTLED_MESSAGES).map(({ sequence }) => sequence);
    const { count, isFull } = requeue(consumer, page, sources);
    total += count;
    const last = page.at(-1);
    if (last === undefined || isFull) {
      return total;
    }
    from = last + 1;
  }
}

function requeue({ id, cursor }: Consumer, dead: readonly number[], { letters, log, nowMs }: Sources) {
  const existing = log.existing(dead);
  const taken = cursor.requeue(existing, nowMs);
  return { count: letters.delete(id, taken), isFull: taken.length < existing.length };
}
