import { LIMITS } from "../../../../rpc/index.ts";
import { utf8Bytes } from "../../../internal/message-text.ts";
import type { MessageText } from "../../../internal/message-text.ts";

import type { Consumer } from "../consumer.ts";
import type { ConsumerCursor } from "../cursor/cursor.ts";
import type { LogPage } from "../cursor/types.ts";

import type { LogReader } from "./log-reader.ts";

/**
 * Most text of one offer, unless a single message is larger: fits a frame, and large messages do not delay the others.
 */
const OFFER_BYTES = 131_072;

/** A message to deliver, and its UTF-8 bytes. */
type OfferedText = { readonly text: string; readonly bytes: number };

/** What a consumer would deliver next: redeliveries that are due, or else new messages. */
export type Offer = {
  /** The part of the log that was read for new messages; undefined for redeliveries. */
  readonly page: LogPage | undefined;
  /** By sequence. */
  readonly texts: ReadonlyMap<number, OfferedText>;
};

/** Reads what a consumer would deliver next, at most `limit` messages; undefined when there is nothing. */
export function nextMessages(
  consumer: Consumer,
  reader: LogReader,
  { limit: most, nowMs }: { limit: number; nowMs: number },
): Offer | undefined {
  const limit = Math.min(most, LIMITS.pageMessages);
  const { cursor } = consumer;
  const due = cursor.dueSequences(nowMs, limit);
  if (due.length > 0) {
    return dueMessages(cursor, reader, due);
  }
  return cursor.roomForNew === 0 ? undefined : newMessages(consumer, reader, limit);
}

function dueMessages(cursor: ConsumerCursor, reader: LogReader, due: readonly number[]): Offer {
  const { messages, unread } = reader.at(due, OFFER_BYTES);
  const found = new Map(messages.map((message) => [message.sequence, message]));
  // The cursor delivers them in this order.
  const end = due.findIndex((sequence) => unread.has(sequence));
  const read = end === -1 ? due : due.slice(0, end);
  // Deleted messages are removed from the cursor when they are deleted. Should one be left, it must not stay due for
  // ever.
  cursor.lose(read.filter((sequence) => !found.has(sequence)));
  return { page: undefined, texts: offeredTexts(read.flatMap((sequence) => found.get(sequence) ?? [])) };
}

function newMessages(consumer: Consumer, reader: LogReader, limit: number): Offer | undefined {
  const from = consumer.cursor.nextSequence;
  const read = reader.from(from, consumer.filter ? LIMITS.pageMessages : limit, consumer.filter);
  if (read === undefined) {
    return undefined;
  }
  // One more than wanted tells whether the whole page is passed.
  const matching = consumer.firstMatching(read.messages, limit + 1);
  const texts = offeredTexts(matching.slice(0, limit));
  const sequences = [...texts.keys()];
  const through = texts.size === matching.length ? read.last : (sequences.at(-1) ?? read.last);
  return { page: { from, through, sequences }, texts };
}

/** Reads the next suspect; undefined when none is due. */
export function nextSuspect(cursor: ConsumerCursor, reader: LogReader, nowMs: number): Offer | undefined {
  for (;;) {
    const sequence = cursor.dueSuspect(nowMs);
    const [message] = sequence === undefined ? [] : reader.at([sequence]).messages;
    if (sequence === undefined || message !== undefined) {
      return message && { page: undefined, texts: offeredTexts([message]) };
    }
    // A deleted message, as in nextMessages.
    cursor.lose([sequence]);
  }
}

/** The texts of messages in their order, as many as one offer may have. */
function offeredTexts(messages: Iterable<MessageText>): Map<number, OfferedText> {
  const texts = new Map<number, OfferedText>();
  let total = 0;
  for (const { sequence, text } of messages) {
    const bytes = utf8Bytes(text);
    total += bytes;
    if (total > OFFER_BYTES && texts.size > 0) {
      break;
    }
    texts.set(sequence, { text, bytes });
  }
  return texts;
}
