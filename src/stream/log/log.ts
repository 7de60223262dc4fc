import type { MessageRange } from "../../internal/calls.ts";
import { MESSAGE_SEPARATOR, messageHead } from "../../internal/message-text.ts";
import type { MessageText } from "../../internal/message-text.ts";
import type { StreamRow } from "../schema.ts";

import { Batches, cut, emptyRange } from "./batches.ts";
import type { BatchHead, PartSize } from "./batches.ts";
import { Garbage } from "./garbage.ts";
import { Holes } from "./holes.ts";
import { holesOf, without } from "./row-text.ts";
import { runsText, StoredRuns } from "./stored-runs.ts";
import type { StoredRun } from "./stored-runs.ts";
import { Subjects } from "./subjects.ts";

/**
 * Most text of one row; a larger message has a row of its own, and an earlier version wrote rows of up to 1 MiB. A row is
 * written anew when a message of it is deleted: the smaller the rows, the shorter that holds up the stream, and the more
 * of them are paid for.
 */
export const ROW_BYTES = 131_072;

/** What is rewritten in one turn to delete single messages: some 1 ms. The first row comes whatever its size. */
const REWRITTEN = { rows: 16, bytes: ROW_BYTES };

type FloorRow = Pick<StreamRow, "deleted_through" | "clock_at" | "hole_bytes">;

/** Is called before messages are deleted, within the same transaction. */
export type DeletionWatcher = {
  /** All messages through a sequence. */
  beforeTrim(through: number): void;
  /** Single messages. */
  beforeDelete(messages: readonly MessageText[]): void;
};

/**
 * The messages of a stream: the tables `batches` and `holes`, and the floor in `stream`.
 *
 * Sequences start at 1. Those through `floor` are deleted; `last` is the last one assigned. Rows cover every sequence
 * above the floor through `last`, each once. The oldest of them may begin below the floor, because a row is deleted only
 * as a whole. When there is none, the floor is `last`. Rows that end at the floor or before are garbage: to delete many at
 * once would hold up the stream, so they go in turns. A hole is a sequence above the floor whose message was deleted
 * singly. Mutators run within the caller's transaction.
 */
export class Log {
  readonly #sql: SqlStorage;
  readonly #batches: Batches;
  /** Which subjects are where. */
  readonly subjects: Subjects;
  /** What is of producers. */
  readonly runs: StoredRuns;
  #floor: number;
  #last: number;
  #lastPublishedAt: number;
  #endBytes: number;
  #holeBytes: number;
  readonly #holes: Holes;
  /** The row that holds the first sequence above the floor. */
  #oldest: BatchHead | undefined;
  readonly #garbage: Garbage;
  readonly #watchers: DeletionWatcher[] = [];

  /** Reads the log's bounds. `maxMessages` raises the floor without a write, so the floor is computed again here. */
  constructor(sql: SqlStorage, maxMessages: number | undefined) {
    this.#sql = sql;
    this.#batches = new Batches(sql);
    this.subjects = new Subjects(sql, this);
    this.runs = new StoredRuns(this.#batches);
    const stream = sql.exec<FloorRow>("SELECT deleted_through, clock_at, hole_bytes FROM stream").one();
    const [oldest, newest] = [this.#batches.oldest(), this.#batches.newest()];
    this.#last = newest?.last_sequence ?? stream.deleted_through;
    this.#lastPublishedAt = newest?.published_at ?? stream.clock_at;
    this.#endBytes = newest?.end_bytes ?? 0;
    this.#holeBytes = stream.hole_bytes;
    this.#floor = Math.max(stream.deleted_through, (oldest?.first_sequence ?? 1) - 1);
    this.#holes = new Holes(sql, this.#floor);
    this.#raiseFloor(this.floorForCount(maxMessages));
    this.#garbage = new Garbage(sql, this.#batches, this.#floor);
    this.#oldest = this.#firstRow();
  }

  /** Adds one that is called before deletions. */
  watchDeletions(watcher: DeletionWatcher): void {
    this.#watchers.push(watcher);
  }

  /** Everything through this sequence is deleted. */
  get floor(): number {
    return this.#floor;
  }

  /** The last sequence assigned; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** When the last message was published, in milliseconds since the Unix epoch. */
  get lastPublishedAt(): number {
    return this.#lastPublishedAt;
  }

  /** When a message was published; 0 when the sequence was never assigned, or its row is deleted. */
  publishedAt(sequence: number): number {
    return sequence === this.#last ? this.#lastPublishedAt : this.#batches.publishedAt(sequence);
  }

  /** Number of messages. */
  get messages(): number {
    return this.#last - this.#floor - this.#holes.count;
  }

  /** UTF-8 bytes stored; a row that begins below the floor counts as a whole. */
  get bytes(): number {
    return this.#oldest === undefined ? 0 : this.#endBytes - startOf(this.#oldest, this.#endBytes) - this.#holeBytes;
  }

  /** Whether rows below the floor are left to {@link sweep}. */
  get hasGarbage(): boolean {
    return this.#garbage.isLeft;
  }

  /** UTF-8 bytes of the messages in rows that are left to {@link sweep}. */
  get garbageBytes(): number {
    return this.#garbage.isLeft ? startOf(this.#oldest, this.#endBytes) - this.#garbage.startBytes : 0;
  }

  /** Deletes rows below the floor, as many as do not hold up the stream. */
  sweep(): void {
    this.#garbage.sweep(this.#floor);
    this.subjects.sweep(this.#floor);
  }

  /** Bytes that were deleted one by one from the rows from the one that holds a sequence on that end at another or before. */
  holeBytes(first: number, through: number): number {
    const row = this.#holeBytes === 0 ? undefined : this.#batches.at(first);
    if (row === undefined || row.last_sequence > through) {
      return 0;
    }
    const end = through < this.#last ? this.rowAt(through + 1).first_sequence - 1 : this.#last;
    // The first one may begin below the floor, where its holes are garbage and may be gone.
    const further = this.#holes.bytesBetween(row.last_sequence, end);
    return row.hole_bytes + (further ?? this.#batches.holeBytesBetween(row.last_sequence + 1, end));
  }

  /** UTF-8 bytes of the rows from the one that holds a sequence to the end, with what was deleted of them one by one. */
  bytesFrom(sequence: number): number {
    return sequence > this.#last ? 0 : this.#endBytes - startOf(this.rowAt(sequence), this.#endBytes);
  }

  /** The first sequence from `first` through `last` whose message was deleted singly; `last + 1` for none. */
  firstHole(first: number, last: number): number {
    return this.#holes.firstBetween(first, last);
  }

  /** When the oldest row was published; undefined when there is none. */
  get oldestPublishedAt(): number | undefined {
    return this.#oldest?.published_at;
  }

  /** The sequence of the first message; `last + 1` when there is none. */
  firstSequence(): number {
    return this.#holes.sequenceOf(1);
  }

  /**
   * Appends messages with the next sequences, in as few rows as their size allows.
   *
   * @param bytes UTF-8 bytes of each body.
   * @param at.rowBytes Most text of one row; a larger message gets a row of its own.
   * @param at.runs The messages of producers, in their order.
   * @returns The range of each row.
   */
  append(
    bodies: readonly string[],
    bytes: readonly number[],
    { publishedAt, rowBytes, runs }: { publishedAt: number; rowBytes: number; runs: readonly StoredRun[] },
  ): MessageRange[] {
    const rows: MessageRange[] = [];
    const [start, end] = messageHead(publishedAt);
    let row = emptyRange(this.#last + 1, publishedAt);
    for (const [index, body] of bodies.entries()) {
      const sequence = row.last + 1;
      const head = start + sequence + end;
      // A head is ASCII: its length is its size in bytes.
      const size = (bytes[index] ?? 0) + head.length;
      if (row.count > 0 && row.bytes + size + MESSAGE_SEPARATOR.length > rowBytes) {
        rows.push(row);
        row = emptyRange(sequence, publishedAt);
      }
      if (row.count > 0) {
        row.text += MESSAGE_SEPARATOR;
        row.bytes += MESSAGE_SEPARATOR.length;
      }
      row.text += head + body;
      row.bytes += size;
      row.count += 1;
      row.last = sequence;
    }
    rows.push(row);

    for (const written of rows) {
      this.#insert(written, runsText(runs, written));
    }
    this.subjects.appended(rows, bodies);
    return rows;
  }

  /**
   * Reads a page that starts at `from`, or after the floor if that is later.
   *
   * @param maxMessages Most sequences the page covers.
   * @param maxBytes The page takes no further row that would exceed this much text.
   */
  read(from: number, maxMessages: number, maxBytes: number): MessageRange {
    const first = Math.max(from, this.#floor + 1);
    const end = Math.min(first + maxMessages - 1, this.#last);
    if (end < first) {
      return emptyRange(first, 0);
    }
    return cut(this.#batches.texts(first, end, maxBytes), first, end);
  }

  /**
   * Reads what a turn may read of a stretch of any length, from a sequence above the floor on.
   *
   * @param most The first row comes whatever its size.
   * @returns The page, and of how many rows it is.
   */
  readPart(first: number, end: number, most: PartSize): { page: MessageRange; rows: number } {
    const rows = this.#batches.textsOfPart(first, end, most);
    return { page: cut(rows, first, end), rows: rows.length };
  }

  /** Number of messages after a sequence. */
  countAbove(sequence: number): number {
    const above = Math.max(sequence, this.#floor);
    return above < this.#last ? this.#last - above - this.#holes.countAbove(above) : 0;
  }

  /** The messages from a sequence above the floor through another one: the first, the last, and how many. */
  messagesBetween(first: number, last: number): { from: number; to: number; total: number } | undefined {
    const above = this.countAbove(first - 1);
    const [before, total] = [this.messages - above, above - this.countAbove(last)];
    return total === 0
      ? undefined
      : {
          from: this.#holes.nearby(first, 1) ?? this.#holes.sequenceOf(before + 1),
          to: this.#holes.nearby(last, -1) ?? this.#holes.sequenceOf(before + total),
          total,
        };
  }

  /** Those of the sequences that have a message. */
  existing(sequences: readonly number[]): number[] {
    const within = sequences.filter((sequence) => sequence > this.#floor && sequence <= this.#last);
    return this.#holes.without(within);
  }

  /** The row of a sequence that was assigned and is above the floor. */
  rowAt(sequence: number): BatchHead {
    const row = this.#batches.at(sequence);
    if (row === undefined || row.last_sequence < sequence) {
      throw new Error("a sequence above the floor has no row");
    }
    return row;
  }

  /** The first sequence published at `timeMs` or later; `last + 1` when there is none. */
  sequenceAt(timeMs: number): number {
    if (timeMs > this.#lastPublishedAt) {
      return this.#last + 1;
    }
    // Publish times never decrease with the sequence: binary search.
    let low = this.#floor + 1;
    let high = this.#last + 1;
    while (low < high) {
      const row = this.rowAt(Math.floor((low + high) / 2));
      if (row.published_at < timeMs) {
        low = row.last_sequence + 1;
      } else {
        high = Math.max(row.first_sequence, low);
      }
    }
    return low;
  }

  /** The floor that keeps the last `messages`, or all when there are fewer. */
  floorForCount(messages: number | undefined): number {
    if (messages === undefined || this.messages <= messages) {
      return this.#floor;
    }
    return this.#holes.sequenceOf(this.messages - messages + 1) - 1;
  }

  /**
   * Deletes all messages through a sequence, on request of a client. The floor is stored.
   *
   * @returns How many messages were deleted.
   */
  deleteThrough(sequence: number): number {
    const before = this.messages;
    const floor = Math.min(sequence, this.#last);
    if (floor > this.#floor) {
      this.#watchers.forEach((watcher) => watcher.beforeTrim(floor));
      this.#raiseFloor(floor);
      this.#dropRowsBelowFloor();
      this.keepFloor();
    }
    return before - this.messages;
  }

  /**
   * Deletes all messages through `floor`, as the config demands. The next load computes that floor again from the rows
   * and the config, so it is stored only when no row is left, or rows below it are.
   */
  dropThrough(floor: number): void {
    if (floor > this.#floor) {
      this.#watchers.forEach((watcher) => watcher.beforeTrim(floor));
      this.#raiseFloor(floor);
      this.#dropRowsBelowFloor();
      if (this.#oldest === undefined || this.hasGarbage) {
        this.keepFloor();
      }
    }
  }

  /** Stores the floor. */
  keepFloor(): void {
    this.#sql.exec(
      "UPDATE stream SET deleted_through = ?, clock_at = ?, hole_bytes = ?",
      this.#floor,
      this.#lastPublishedAt,
      this.#holeBytes,
    );
  }

  /**
   * Deletes single messages, in as few rows as do not hold up the stream; sequences that do not exist are ignored.
   *
   * @returns How many messages were deleted, and the sequences that are left.
   */
  deleteSequences(sequences: readonly number[]): { deleted: number; left: readonly number[] } {
    const before = this.messages;
    const above = sequences.filter((sequence) => sequence > this.#floor && sequence <= this.#last);
    const { rows, wanted, left } = this.#rowsOfTurn(above.toSorted((a, b) => a - b));
    const changes = rows.map((row) => {
      const within = wanted.filter((one) => one >= row.first_sequence && one <= row.last_sequence);
      const existing = within.filter((one) => this.firstHole(one, one) > one);
      return { row, ...without(this.#batches.messages(row.first_sequence), existing) };
    });
    const deleted = changes.flatMap(({ removed }) => removed);
    if (deleted.length > 0) {
      this.#watchers.forEach((watcher) => watcher.beforeDelete(deleted));
      for (const { row, text, removed, freedBytes } of changes) {
        this.#batches.replaceMessages(row, { text, removed: removed.length, freedBytes });
        this.#holeBytes += freedBytes;
      }
      this.#holes.add(changes.flatMap(holesOf));
      this.keepFloor();
      this.deleteThrough(this.firstSequence() - 1);
    }
    return { deleted: before - this.messages, left };
  }

  /** The rows of the first sequences, so many that they may be written anew in one turn; the first whatever its size. */
  #rowsOfTurn(ascending: readonly number[]): { rows: BatchHead[]; wanted: number[]; left: number[] } {
    const rows: BatchHead[] = [];
    let [bytes, end] = [0, 0];
    for (const [index, sequence] of ascending.entries()) {
      if (sequence > end) {
        const row = this.rowAt(sequence);
        bytes += row.bytes - row.hole_bytes;
        if (rows.length > 0 && (bytes > REWRITTEN.bytes || rows.length === REWRITTEN.rows)) {
          return { rows, wanted: ascending.slice(0, index), left: ascending.slice(index) };
        }
        rows.push(row);
        end = row.last_sequence;
      }
    }
    return { rows, wanted: [...ascending], left: [] };
  }

  #insert(range: MessageRange, producers: string | null): void {
    this.#endBytes += range.bytes;
    const head: BatchHead = {
      first_sequence: range.first,
      last_sequence: range.last,
      published_at: range.publishedAt,
      count: range.count,
      bytes: range.bytes,
      end_bytes: this.#endBytes,
      hole_bytes: 0,
    };
    this.#batches.insert({ ...head, producers, messages: range.text });
    this.#last = range.last;
    this.#lastPublishedAt = range.publishedAt;
    this.#oldest ??= head;
  }

  #raiseFloor(floor: number): void {
    this.#floor = Math.max(this.#floor, floor);
    this.#holes.raiseFloor(this.#floor);
  }

  #dropRowsBelowFloor(): void {
    if (this.#oldest === undefined || this.#oldest.last_sequence > this.#floor) {
      return;
    }
    if (this.#holeBytes > 0) {
      this.#holeBytes -= this.holeBytes(this.#oldest.first_sequence, this.#floor);
      this.#sql.exec("UPDATE stream SET hole_bytes = ?", this.#holeBytes);
    }
    this.#garbage.add(this.#oldest);
    this.#oldest = this.#firstRow();
    this.sweep();
  }

  #firstRow(): BatchHead | undefined {
    return this.#floor < this.#last ? this.rowAt(this.#floor + 1) : undefined;
  }
}

/** Bytes written before a row; all of them when there is no row. */
function startOf(row: BatchHead | undefined, endBytes: number): number {
  return row === undefined ? endBytes : row.end_bytes - row.bytes;
}
