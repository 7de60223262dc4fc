import type { Log } from "../../log/log.ts";

import type { Consumer } from "../consumer.ts";
import type { DeadLetters, LettersTurn } from "./dead-letters.ts";

type Sources = { readonly letters: DeadLetters; readonly log: Log; readonly nowMs: number };

/** Changes dead letters of a consumer, as many from a sequence on as one turn may. */
export type ChangeLetters = (consumer: Consumer, from: number, sources: Sources) => LettersTurn;

/**
 * Makes dead letters due for delivery again, all or some, if the log has their message and the cursor has room.
 *
 * @param sequences Undefined for all; some are one turn.
 */
export function retryLetters(sequences: readonly number[] | undefined): ChangeLetters {
  return (consumer, from, sources) => {
    const { letters } = sources;
    if (sequences !== undefined) {
      return { count: requeue(consumer, letters.among(consumer.id, sequences), sources).count, next: undefined };
    }
    const { sequences: some, next } = letters.someFrom(consumer.id, from);
    const { count, isFull } = requeue(consumer, some, sources);
    return { count, next: isFull ? undefined : next };
  };
}

/**
 * Deletes dead letters, all or some.
 *
 * @param sequences Undefined for all; some are one turn.
 */
export function deleteLetters(sequences: readonly number[] | undefined): ChangeLetters {
  return ({ id }, from, { letters }) =>
    sequences === undefined ? letters.deleteSome(id, from) : { count: letters.delete(id, sequences), next: undefined };
}

function requeue({ id, cursor }: Consumer, dead: readonly number[], { letters, log, nowMs }: Sources) {
  const existing = log.existing(dead);
  const taken = cursor.requeue(existing, nowMs);
  return { count: letters.delete(id, taken), isFull: taken.length < existing.length };
}
