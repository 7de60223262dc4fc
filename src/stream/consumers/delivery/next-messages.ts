import { LIMITS } from "../../../../rpc/index.ts";
import { splitMessages, utf8Bytes } from "../../../internal/message-text.ts";
import type { MessageText } from "../../../internal/message-text.ts";
import type { Log } from "../../log/log.ts";

import type { Consumer } from "../consumer.ts";
import type { ConsumerCursor } from "../cursor/cursor.ts";
import type { LogPage } from "../cursor/types.ts";

/**
 * Most text of one offer, unless a single message is larger: fits a frame, and large messages do not delay the others.
 */
const OFFER_BYTES = 262_144;

/** What a consumer would deliver next: redeliveries that are due, or else new messages. */
export type Offer = {
  /** The part of the log that was read for new messages; undefined for redeliveries. */
  page: LogPage | undefined;
  /** Text by sequence. */
  texts: ReadonlyMap<number, string>;
};

/** Reads what a consumer would deliver next, at most `limit` messages; undefined when there is nothing. */
export function nextMessages(consumer: Consumer, log: Log, at: { limit: number; nowMs: number }): Offer | undefined {
  const limit = Math.min(at.limit, LIMITS.pageMessages);
  const { cursor } = consumer;
  const due = cursor.dueSequences(at.nowMs, limit);
  if (due.length > 0) {
    const found = new Map(messagesAt(log, due).map((message) => [message.sequence, message]));
    // Deleted messages are removed from the cursor when they are deleted. Should one be left, it must not stay due for
    // ever.
    cursor.lose(due.filter((sequence) => !found.has(sequence)));
    const messages = withinBytes(due.flatMap((sequence) => found.get(sequence) ?? []));
    return { page: undefined, texts: new Map(messages.map(({ sequence, text }) => [sequence, text])) };
  }
  const from = cursor.nextSequence;
  if (cursor.roomForNew === 0 || from > log.last) {
    return undefined;
  }
  const range = log.read(from, consumer.isFiltered ? LIMITS.pageMessages : limit, OFFER_BYTES);
  if (range.last < from) {
    return undefined;
  }
  const matching = consumer.matching(splitMessages(range.text));
  const offered = withinBytes(matching);
  const isWhole = offered.length === matching.length;
  const through = isWhole ? range.last : (offered.at(-1)?.sequence ?? range.last);
  return {
    page: { from, through, sequences: offered.map(({ sequence }) => sequence) },
    texts: new Map(offered.map(({ sequence, text }) => [sequence, text])),
  };
}

/** Reads the next suspect; undefined when none is due. */
export function nextSuspect(cursor: ConsumerCursor, log: Log, nowMs: number): Offer | undefined {
  for (;;) {
    const sequence = cursor.dueSuspect(nowMs);
    const [message] = sequence === undefined ? [] : messagesAt(log, [sequence]);
    if (sequence === undefined || message !== undefined) {
      return message && { page: undefined, texts: new Map([[message.sequence, message.text]]) };
    }
    // A deleted message, as in nextMessages.
    cursor.lose([sequence]);
  }
}

/** The messages of scattered sequences, as far as they exist. Sequences close together are read as one page. */
export function messagesAt(log: Log, sequences: readonly number[]): MessageText[] {
  const wanted = new Set(sequences);
  const ascending = sequences.toSorted((a, b) => a - b);
  const messages: MessageText[] = [];
  let readThrough = 0;
  for (const sequence of ascending) {
    if (sequence > readThrough) {
      const near = ascending.findLast((one) => one < sequence + LIMITS.pageMessages) ?? sequence;
      const range = log.read(sequence, near - sequence + 1, OFFER_BYTES);
      messages.push(...splitMessages(range.text).filter((message) => wanted.has(message.sequence)));
      readThrough = Math.max(range.last, sequence);
    }
  }
  return messages;
}

function withinBytes(messages: readonly MessageText[]): readonly MessageText[] {
  let bytes = 0;
  const end = messages.findIndex(({ text }, index) => {
    bytes += utf8Bytes(text);
    return bytes > OFFER_BYTES && index > 0;
  });
  return end === -1 ? messages : messages.slice(0, end);
}
