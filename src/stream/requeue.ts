import type { Consumer } from "./consumer.ts";
import { MAX_UNSETTLED_MESSAGES } from "./cursor-types.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Log } from "./log.ts";

type Desk = { readonly letters: DeadLetters; readonly log: Log; readonly nowMs: number };

/** Puts back a consumer's dead letters, all or some, that still have their message, as far as there is room; returns how many. */
export function requeueDead({ id, cursor }: Consumer, sequences: readonly number[] | undefined, desk: Desk): number {
  const { letters, log, nowMs } = desk;
  let count = 0;
  // Page by page: most of them may have lost their message.
  for (let from = 0; ;) {
    const page = letters.read(id, from, MAX_UNSETTLED_MESSAGES).map(({ sequence }) => sequence);
    const dead = sequences === undefined ? page : letters.among(id, sequences);
    const existing = log.existing(dead);
    const taken = cursor.requeue(existing, nowMs);
    count += letters.delete(id, taken);
    const last = page.at(-1);
    if (sequences !== undefined || last === undefined || taken.length < existing.length) {
      return count;
    }
    from = last + 1;
  }
}
