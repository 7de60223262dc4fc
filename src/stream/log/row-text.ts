import { MESSAGE_SEPARATOR, splitMessages, utf8Bytes } from "../../internal/message-text.ts";
import type { MessageText } from "../../internal/message-text.ts";

import type { Hole } from "./holes.ts";

/** The text of a row without some of its messages, those messages, and by how many UTF-8 bytes it is shorter. */
type Without = { readonly text: string; readonly removed: readonly MessageText[]; readonly freedBytes: number };

/**
 * Takes messages out of the text of a row. The others are not looked at: to split a row takes longer than to write it.
 *
 * @param sequences In ascending order; the text is looked through for each that it does not have.
 */
export function without(text: string, sequences: readonly number[]): Without {
  const [kept, removed]: [string[], string[]] = [[], []];
  let from = 0;
  for (const sequence of sequences) {
    const start = startOf(text, sequence, from);
    if (start !== -1) {
      const separator = text.indexOf(MESSAGE_SEPARATOR, start);
      const end = separator === -1 ? text.length : separator;
      kept.push(text.slice(from, start));
      removed.push(text.slice(start, end));
      from = Math.min(text.length, end + MESSAGE_SEPARATOR.length);
    }
  }
  kept.push(text.slice(from));
  const joined = kept.join("");
  const left = joined.endsWith(MESSAGE_SEPARATOR) ? joined.slice(0, -MESSAGE_SEPARATOR.length) : joined;
  // Removed text and separators, which are ASCII as what follows from the other text is not looked at.
  const removedText = removed.join(MESSAGE_SEPARATOR);
  const freedBytes = text.length - left.length - removedText.length + utf8Bytes(removedText);
  return { text: left, removed: splitMessages(removedText), freedBytes };
}

/** Messages that were taken from a row, as holes. What that freed is told of the first of them: rows are dropped as a whole. */
export function holesOf({ removed, freedBytes }: Without): Hole[] {
  return removed.map(({ sequence }, index) => ({ sequence, bytes: index === 0 ? freedBytes : 0 }));
}

/** Where a message begins, from a place on where one does; -1 for none. */
function startOf(text: string, sequence: number, from: number): number {
  const head = `{"sequence":${sequence},`;
  if (text.startsWith(head, from)) {
    return from;
  }
  const separator = text.indexOf(MESSAGE_SEPARATOR + head, from);
  return separator === -1 ? -1 : separator + MESSAGE_SEPARATOR.length;
}
