import type { MessageRange } from "../../internal/calls.ts";
import { joinMessages, MESSAGE_SEPARATOR, offsetOf, splitMessages, utf8Bytes } from "../../internal/message-text.ts";

import type { BatchRow } from "../schema.ts";

/** A row without its messages. */
export type BatchHead = Omit<BatchRow, "messages" | "producers">;

/** What a page is made of. */
export type BatchText = Omit<BatchRow, "end_bytes" | "producers">;

/** How much of a stretch is read at once. */
export type PartSize = { readonly maxBytes: number; readonly maxRows: number };

/** What is left of a row's messages, how many were removed, and how many bytes that frees. */
type FewerMessages = { readonly text: string; readonly removed: number; readonly freedBytes: number };

/** What a row says of producers. */
type ProducersOfBatch = Pick<BatchRow, "first_sequence" | "published_at" | "producers">;

const HEAD = "first_sequence, last_sequence, published_at, count, bytes, end_bytes, hole_bytes";

/** Every statement on the table `batches`. Each reads or writes as few rows as it returns, but for sums. */
export class Batches {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  oldest(): BatchHead | undefined {
    return this.#head(`SELECT ${HEAD} FROM batches ORDER BY first_sequence LIMIT 1`);
  }

  newest(): BatchHead | undefined {
    return this.#head(`SELECT ${HEAD} FROM batches ORDER BY first_sequence DESC LIMIT 1`);
  }

  /** The first rows, at most so many, of those that begin at a sequence or before. */
  oldestThrough(sequence: number, count: number): BatchHead[] {
    return this.#sql
      .exec<BatchHead>(
        `SELECT ${HEAD} FROM batches WHERE first_sequence <= ? ORDER BY first_sequence LIMIT ?`,
        sequence,
        count,
      )
      .toArray();
  }

  /** The row that holds a sequence, or the last one before it. */
  at(sequence: number): BatchHead | undefined {
    return this.#head(
      `SELECT ${HEAD} FROM batches WHERE first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1`,
      sequence,
    );
  }

  /** When the row that holds a sequence was published; 0 when there is none. */
  publishedAt(sequence: number): number {
    const row = this.at(sequence);
    return row !== undefined && row.last_sequence >= sequence ? row.published_at : 0;
  }

  /**
   * The rows from the one that holds `first` to the one that holds `end`, as long as their text together is at most
   * `maxBytes`; the first row comes whatever its size. Looks at each row of the range: it is to be short.
   */
  texts(first: number, end: number, maxBytes: number): BatchText[] {
    // end_bytes is a running sum, so where a page ends is a condition on each row alone, and the messages of a row that
    // does not fit are never read.
    return this.#sql
      .exec<BatchText>(
        `WITH start AS (
           SELECT first_sequence AS sequence, end_bytes - bytes AS bytes FROM batches
           WHERE first_sequence <= ?1 ORDER BY first_sequence DESC LIMIT 1
         )
         SELECT first_sequence, last_sequence, published_at, count, batches.bytes, hole_bytes, messages FROM start, batches
         WHERE first_sequence BETWEEN start.sequence AND ?2
           AND (first_sequence = start.sequence OR end_bytes - start.bytes <= ?3)
         ORDER BY first_sequence`,
        first,
        end,
        maxBytes,
      )
      .toArray();
  }

  /**
   * The same, as long as they are at most `maxRows` too. It ends at the first row that is too much, so that `end` may be as
   * far as one likes: {@link texts} looks at each row up to there, which takes half the time where all of them are wanted.
   */
  textsOfPart(first: number, end: number, { maxBytes, maxRows }: PartSize): BatchText[] {
    return this.#sql
      .exec<BatchText>(
        `WITH RECURSIVE part (sequence, last, end_bytes) AS (
           SELECT * FROM (
             SELECT first_sequence, last_sequence, end_bytes - bytes + ?3 FROM batches
             WHERE first_sequence <= ?1 ORDER BY first_sequence DESC LIMIT 1
           )
           UNION ALL
           SELECT first_sequence, last_sequence, part.end_bytes FROM part JOIN batches ON first_sequence = part.last + 1
           WHERE first_sequence <= ?2 AND batches.end_bytes <= part.end_bytes
           LIMIT ?4
         )
         SELECT first_sequence, last_sequence, published_at, count, bytes, hole_bytes, messages
         FROM (SELECT MIN(sequence) AS low, MAX(sequence) AS high FROM part) CROSS JOIN batches
         WHERE first_sequence BETWEEN low AND high ORDER BY first_sequence`,
        first,
        end,
        maxBytes,
        maxRows,
      )
      .toArray();
  }

  /** The messages of the row that begins with a sequence. */
  messages(firstSequence: number): string {
    return this.#sql
      .exec<Pick<BatchRow, "messages">>("SELECT messages FROM batches WHERE first_sequence = ?", firstSequence)
      .one().messages;
  }

  /** What the first rows after a sequence say of producers, without their messages. */
  producersAfter(sequence: number, rows: number): ProducersOfBatch[] {
    return this.#producers("first_sequence > ? ORDER BY first_sequence LIMIT ?", sequence, rows);
  }

  /** What the row that begins with a sequence says of producers. */
  producersAt(firstSequence: number): ProducersOfBatch[] {
    return this.#producers("first_sequence = ?", firstSequence);
  }

  /** What the rows after a sequence say of producers in which a text is found. */
  producersWith(text: string, sequence: number): ProducersOfBatch[] {
    return this.#producers("first_sequence > ? AND INSTR(producers, ?) > 0 ORDER BY first_sequence", sequence, text);
  }

  insert(row: BatchRow): void {
    this.#sql.exec(
      `INSERT INTO batches (${HEAD}, producers, messages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.first_sequence,
      row.last_sequence,
      row.published_at,
      row.count,
      row.bytes,
      row.end_bytes,
      row.hole_bytes,
      row.producers,
      row.messages,
    );
  }

  /** Puts fewer messages in a row. */
  replaceMessages(row: BatchHead, { text, removed, freedBytes }: FewerMessages): void {
    this.#sql.exec(
      "UPDATE batches SET messages = ?, count = count - ?, hole_bytes = hole_bytes + ? WHERE first_sequence = ?",
      text,
      removed,
      freedBytes,
      row.first_sequence,
    );
  }

  /** Bytes that were deleted one by one from the rows that begin from one sequence to another. Looks at each of them. */
  holeBytesBetween(first: number, last: number): number {
    return this.#sql
      .exec<{ bytes: number }>(
        "SELECT COALESCE(SUM(hole_bytes), 0) AS bytes FROM batches WHERE first_sequence BETWEEN ? AND ?",
        first,
        last,
      )
      .one().bytes;
  }

  /** Deletes the rows that begin at a sequence or before. */
  deleteThrough(firstSequence: number): void {
    this.#sql.exec("DELETE FROM batches WHERE first_sequence <= ?", firstSequence);
  }

  #producers(condition: string, ...bindings: (number | string)[]): ProducersOfBatch[] {
    return this.#sql
      .exec<ProducersOfBatch>(
        `SELECT first_sequence, published_at, producers FROM batches WHERE ${condition}`,
        ...bindings,
      )
      .toArray();
  }

  #head(query: string, ...bindings: number[]): BatchHead | undefined {
    return this.#sql.exec<BatchHead>(query, ...bindings).toArray()[0];
  }
}

/** A range without messages. */
export function emptyRange(first: number, publishedAt: number): MessageRange {
  return { first, last: first - 1, publishedAt, count: 0, bytes: 0, text: "" };
}

/** Cuts the rows' messages to the sequences from `first` to `end`. */
export function cut(rows: readonly BatchText[], first: number, end: number): MessageRange {
  const last = Math.min(end, rows.at(-1)?.last_sequence ?? first - 1);
  const range = { ...emptyRange(first, rows.at(-1)?.published_at ?? 0), last };
  for (const row of rows) {
    const { count, bytes, text } = within(row, first, last);
    if (count > 0) {
      const separator = range.count === 0 ? "" : MESSAGE_SEPARATOR;
      range.text += separator + text;
      range.bytes += separator.length + bytes;
      range.count += count;
    }
  }
  return range;
}

/** The messages of a row from `first` to `last`. */
function within(row: BatchText, first: number, last: number): Pick<MessageRange, "count" | "bytes" | "text"> {
  const { count, messages } = row;
  const bytes = row.bytes - row.hole_bytes;
  const from = Math.max(first, row.first_sequence);
  const to = Math.min(last, row.last_sequence);
  if (from === row.first_sequence && to === row.last_sequence) {
    return { count, bytes, text: messages };
  }
  if (count < row.last_sequence - row.first_sequence + 1) {
    const kept = splitMessages(messages).filter(({ sequence }) => sequence >= from && sequence <= to);
    const text = joinMessages(kept);
    return { count: kept.length, bytes: utf8Bytes(text), text };
  }
  const end = to === row.last_sequence ? messages.length : offsetOf(messages, to + 1) - MESSAGE_SEPARATOR.length;
  const text = messages.slice(from === row.first_sequence ? 0 : offsetOf(messages, from), end);
  return { count: to - from + 1, bytes: bytes === messages.length ? text.length : utf8Bytes(text), text };
}
