import type { MessageRange } from "../../internal/calls.ts";
import { splitMessages, SUBJECT, subjectOf } from "../../internal/message-text.ts";
import type { CompiledFilter } from "../../internal/subject.ts";
import type { SubjectsRow } from "../schema.ts";

import type { PartSize } from "./batches.ts";
import { SegmentBuilder, rowMatch } from "./segment.ts";
import type { SegmentMatch } from "./segment.ts";

/** A segment of fewer rows is not written: it would nearly be one for each. */
const LEAST_ROWS = 4;
/**
 * How long a segment is that is made of a stretch that was not indexed, and how much of it is read at once: some 1 ms. A row
 * takes as long as `ROW` messages that are looked at.
 */
const FILL = { messages: 4_096, bytes: 1_048_576 };
const PART = { messages: 1_024, bytes: 131_072, rows: 512 };
const ROW = 2;
/** A stretch that is as short is read, which is no more work than to look whether it has to be. */
const SHORT_MESSAGES = 500;
/** Segments that are passed at once. */
const MOST_PASSED = 64;
/** So many are asked for by a query: few by the first, as a match may be near, and behind one with a long list of subjects. */
const ROWS = { few: 4, many: 16 };
/** As text. */
const LONG_LIST = 65_536;
/** Text of lists of subjects that is looked through at once: some 5 ms. To parse a list takes as long as so many times. */
const MOST_TEXT = 4_194_304;
const PARSING = 8;
/** Rows that are deleted at once: a turn of the log's sweep deletes no more rows of its own. */
const MOST_SWEPT = 256;

/** A row for a filter, with the length of its list of subjects, which is null when none of them can match. */
type FoundRow = Omit<SubjectsRow, "subjects"> & { subjects: string | null; size: number };

/**
 * What is known of the messages from a sequence on, `through` one. `isFinal` tells of an unknown stretch that there is
 * something known behind it.
 */
export type Known =
  | {
      readonly isKnown: true;
      readonly through: number;
      readonly match: SegmentMatch | undefined;
      /** Length of the list of subjects that was looked through. */
      readonly size: number;
    }
  | { readonly isKnown: false; readonly through: number; readonly isFinal: boolean };

/** The first sequence that may match. Of its segment nothing behind `through` does, which is left out when it is not known. */
type Candidate = { readonly sequence: number; readonly through?: number };

/** The same with the length of the lists of subjects that were looked through. */
type FoundCandidate = Required<Candidate> & { readonly size: number };

/** The log, as its index sees it. */
type IndexedLog = {
  readonly floor: number;
  readPart(first: number, end: number, most: PartSize): { page: MessageRange; rows: number };
  /** Bytes of the rows from the one that holds a sequence to the end. */
  bytesFrom(sequence: number): number;
};

/**
 * Which subjects are where in the log: the table `subjects`, by which one with a filter passes over what does not match.
 *
 * A segment is many rows of the log, so that the index costs few rows written, and tells subjects by the block, which is
 * what has to be read. It is gathered in memory as rows are appended, also of messages without a subject: that there is
 * none is known too. What an eviction has lost, and what code without this index wrote, is unknown until {@link fill}
 * reads it again; nobody passes over what is unknown.
 */
export class Subjects {
  readonly #sql: SqlStorage;
  readonly #log: IndexedLog;
  #open: SegmentBuilder | undefined;
  /** What {@link fill} has read of the segment that it makes, and how many bytes that were. */
  #filling: { readonly segment: SegmentBuilder; bytes: number } | undefined;
  /** Whether the part that {@link fill} read last has messages with a subject: then so may the next one. */
  #expectsSubjects = true;
  #isResumed = false;
  /** The end of what {@link catchUp} indexes; undefined for nothing. */
  #behind: number | undefined;

  constructor(sql: SqlStorage, log: IndexedLog) {
    this.#sql = sql;
    this.#log = log;
  }

  /** Takes note of rows that were appended. @param bodies Of all their messages. */
  appended(rows: readonly MessageRange[], bodies: readonly string[]): void {
    let index = 0;
    for (const { first, last, bytes } of rows) {
      const open = (this.#open ??= this.#begin(first));
      for (let sequence = first; sequence <= last; sequence += 1, index += 1) {
        const subject = subjectOf(bodies[index] ?? "");
        if (subject !== undefined) {
          open.add(sequence, subject);
        }
      }
      open.end(last, bytes);
      if (open.isFull) {
        if (open.rows >= LEAST_ROWS) {
          this.#insert(open);
        }
        this.#open = undefined;
      }
    }
  }

  /**
   * The first sequence from `from` through `end` that may match, or how far that was looked for; what is before it does not
   * match. `end + 1` for none.
   */
  firstCandidate(from: number, end: number, filter: CompiledFilter): FoundCandidate {
    if (end - from < SHORT_MESSAGES) {
      return { sequence: from, through: Infinity, size: 0 };
    }
    const { sequence, through = Infinity, size } = this.#firstAmong(from, end, filter);
    return { sequence: Math.min(sequence, end + 1), through, size };
  }

  /** What is known from a sequence on. */
  at(sequence: number, filter: CompiledFilter): Known {
    const row = this.#rowAt(sequence, filter);
    if (row !== undefined && row.last_sequence >= sequence) {
      const match = matchOf(row, filter);
      return { isKnown: true, through: row.last_sequence, match, size: row.size };
    }
    const open = this.#openAt(sequence);
    if (open !== undefined) {
      return { isKnown: true, through: open.last, match: open.match(filter), size: 0 };
    }
    const next = this.#nextFirst(sequence) ?? this.#open?.first;
    const isFinal = next !== undefined && next > sequence;
    return { isKnown: false, through: isFinal ? next - 1 : Infinity, isFinal };
  }

  /**
   * Goes on indexing what is unknown from a sequence through another, as much as a turn may read. It is known when its
   * segment is long enough, after some calls.
   *
   * @returns What it read, and how many messages it had to look at, or what its rows cost as messages.
   */
  fill(from: number, through: number): { bytes: number; messages: number } {
    if (this.#filling !== undefined && !isWithin(from, this.#filling.segment)) {
      this.#endFilling();
    }
    this.#filling ??= { segment: new SegmentBuilder(from), bytes: 0 };
    const { segment } = this.#filling;
    const { page, rows } = this.#partAfter(segment, through);
    const hasSubjects = this.#expectsSubjects;
    if (hasSubjects) {
      addPage(segment, page);
    } else {
      segment.end(page.last, page.bytes);
    }
    this.#filling.bytes += page.bytes;
    if (
      segment.isFull ||
      segment.last >= through ||
      (segment.hasSubjects && segment.last - segment.first >= FILL.messages - PART.messages) ||
      this.#filling.bytes > FILL.bytes - PART.bytes
    ) {
      this.#endFilling();
    }
    return { bytes: page.bytes, messages: hasSubjects ? page.last - page.first + 1 : rows * ROW };
  }

  /** Whether {@link fill} has begun a segment and not ended it. */
  get isFilling(): boolean {
    return this.#filling !== undefined;
  }

  /** Whether an unknown stretch is worth a row. */
  isWorthFilling(from: number, last: number): boolean {
    const isLong = last - from + 1 >= FILL.messages;
    return isLong || (from <= last && this.#log.bytesFrom(from) - this.#log.bytesFrom(last + 1) >= FILL.bytes);
  }

  /** Whether something is left to {@link catchUp}. */
  get isBehind(): boolean {
    return this.#behind !== undefined;
  }

  /**
   * Goes on indexing what an eviction has lost, or a version without this index wrote last: what is before the first row
   * that was appended since, as much as a turn may read. A commit does none of it: it may be all of the log.
   */
  catchUp(): void {
    const through = this.#behind ?? 0;
    const from = Math.max(this.#lastKnown(through), this.#log.floor) + 1;
    if (this.isWorthFilling(from, through)) {
      this.fill(from, through);
    } else {
      this.#behind = undefined;
    }
  }

  /** Deletes what ends at a floor or before. */
  sweep(floor: number): void {
    this.#sql.exec(
      `DELETE FROM subjects WHERE first_sequence IN (
         SELECT first_sequence FROM subjects WHERE first_sequence <= ?1 ORDER BY first_sequence LIMIT ?2
       ) AND last_sequence <= ?1`,
      floor,
      MOST_SWEPT,
    );
  }

  /** A segment from a sequence on. After an eviction the segment of before is lost: {@link catchUp} reads it again. */
  #begin(first: number): SegmentBuilder {
    if (!this.#isResumed) {
      this.#isResumed = true;
      this.#behind = first - 1;
    }
    return new SegmentBuilder(first);
  }

  /** The last sequence through another that is known. */
  #lastKnown(through: number): number {
    const [newest] = this.#sql
      .exec<{ last: number }>(
        "SELECT last_sequence AS last FROM subjects WHERE first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1",
        through,
      )
      .toArray();
    return newest?.last ?? 0;
  }

  /** What is read next of a segment: to split messages takes long, so there are few, but all of a text without subjects. */
  #partAfter(segment: SegmentBuilder, through: number): { page: MessageRange; rows: number } {
    const from = Math.max(segment.last, this.#log.floor) + 1;
    const most = { maxBytes: PART.bytes, maxRows: PART.rows };
    const few = Math.min(through, from + PART.messages - 1);
    const part = this.#log.readPart(from, this.#expectsSubjects ? few : through, most);
    this.#expectsSubjects = part.page.text.includes(SUBJECT);
    const isTooMuch = this.#expectsSubjects && part.page.last > few;
    return isTooMuch ? this.#log.readPart(from, few, most) : part;
  }

  /** What was read so far is known, also when somebody else goes on elsewhere. */
  #endFilling(): void {
    if (this.#filling !== undefined) {
      this.#insert(this.#filling.segment);
      this.#filling = undefined;
    }
  }

  #firstAmong(from: number, end: number, filter: CompiledFilter): Candidate & { readonly size: number } {
    let [next, size, passed, text] = [from, 0, 0, 0];
    for (const row of this.#rowsFrom(from, filter)) {
      if (row.first_sequence > Math.min(next, end)) {
        break;
      }
      size += row.size;
      passed += 1;
      text += row.subjects === null ? row.size : row.size * PARSING;
      const candidate = row.last_sequence < next ? undefined : candidateOf(matchOf(row, filter), next);
      if (candidate !== undefined) {
        return { ...candidate, size };
      }
      next = Math.max(next, row.last_sequence + 1);
      if (passed === MOST_PASSED || text >= MOST_TEXT) {
        return { sequence: next, size };
      }
    }
    const open = this.#openAt(next);
    if (open === undefined) {
      return { sequence: next, size };
    }
    return { ...(candidateOf(open.match(filter), next) ?? { sequence: open.last + 1 }), size };
  }

  /** The one that holds a sequence, or is the last before it, and those behind. */
  *#rowsFrom(sequence: number, filter: CompiledFilter): Generator<FoundRow> {
    const first = this.#rowAt(sequence, filter);
    let behind = sequence;
    if (first !== undefined) {
      behind = first.first_sequence;
      yield first;
    }
    let wanted = ROWS.few;
    for (;;) {
      const rows = this.#rows("first_sequence > ? ORDER BY first_sequence", behind, { filter, limit: wanted });
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < wanted) {
        return;
      }
      behind = last.first_sequence;
      wanted = rows.some(({ size }) => size > LONG_LIST) ? ROWS.few : ROWS.many;
    }
  }

  /** The one that holds a sequence, or is the last before it. */
  #rowAt(sequence: number, filter: CompiledFilter): FoundRow | undefined {
    return this.#rows("first_sequence <= ? ORDER BY first_sequence DESC", sequence, { filter, limit: 1 })[0];
  }

  #rows(which: string, sequence: number, { filter, limit }: { filter: CompiledFilter; limit: number }): FoundRow[] {
    // The list of subjects is long: SQLite looks into it for what every match has, and hands over only those that do.
    return this.#sql
      .exec<FoundRow>(
        `SELECT first_sequence, last_sequence, blocks, length(subjects) AS size,
           CASE WHEN instr(subjects, ?) > 0 THEN subjects END AS subjects
         FROM subjects WHERE ${which} LIMIT ?`,
        filter.literal,
        sequence,
        limit,
      )
      .toArray();
  }

  #openAt(sequence: number): SegmentBuilder | undefined {
    const open = this.#open;
    return open !== undefined && open.first <= sequence && sequence <= open.last ? open : undefined;
  }

  #nextFirst(sequence: number): number | undefined {
    return this.#sql
      .exec<{ first: number }>(
        "SELECT first_sequence AS first FROM subjects WHERE first_sequence > ? ORDER BY first_sequence LIMIT 1",
        sequence,
      )
      .toArray()[0]?.first;
  }

  #insert(segment: SegmentBuilder): void {
    const { first_sequence, last_sequence, blocks, subjects } = segment.toRow();
    this.#sql.exec(
      "INSERT OR REPLACE INTO subjects (first_sequence, last_sequence, blocks, subjects) VALUES (?, ?, ?, ?)",
      first_sequence,
      last_sequence,
      blocks,
      subjects,
    );
  }
}

/** Whether what a segment goes on with begins at a sequence, or did before the floor has risen to it. */
function isWithin(sequence: number, { first, last }: SegmentBuilder): boolean {
  return first <= sequence && sequence <= last + 1;
}

/** Adds the messages of a page to a segment, until it is full. */
function addPage(segment: SegmentBuilder, page: MessageRange): void {
  const messages = splitMessages(page.text);
  for (const { sequence, subject, text } of messages) {
    if (segment.isFull) {
      return;
    }
    if (subject !== undefined) {
      segment.add(sequence, subject);
    }
    segment.end(sequence, text.length);
  }
  // The last ones of a page may have been deleted.
  segment.end(page.last, 0);
}

function matchOf(row: FoundRow, filter: CompiledFilter): SegmentMatch | undefined {
  const { subjects } = row;
  return subjects === null ? undefined : rowMatch({ ...row, subjects }, filter);
}

/** Where a segment may match from a sequence on. */
function candidateOf(match: SegmentMatch | undefined, from: number): Candidate | undefined {
  const sequence = match?.candidate(from);
  return match === undefined || sequence === undefined ? undefined : { sequence, through: match.last };
}
