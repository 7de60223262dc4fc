import { LIMITS } from "../../../rpc/index.ts";

import type { PublishIdSegmentsRow, PublishIdsRow } from "../schema.ts";
import { digestOf, newDigestKey } from "../id-digest.ts";
import type { DigestKey } from "../id-digest.ts";
import { IdSegment } from "./id-segment.ts";
import type { RowRange } from "./id-segment.ts";

/** Where an id was stored. */
export type KnownId = { firstSequence: number; count: number; publishedAt: number };

/** One stored request that carried an id. */
export type NewId = { id: string; firstSequence: number; count: number };

/** An id in a row of the table, its first sequence, and how many messages it has. */
type StoredId = [string, number, number];

/** Ids of one row, at most: production refuses a value of 2 MB, and a row is read for each duplicate found in it. */
const ROW_IDS = 256;
/** Ids that the first segment has room for. Each further one has room for as many as there are, up to the most. */
const LEAST_SEGMENT_IDS = 192;
/** What one turn deletes of rows that are too old; the first row whatever its size. */
const PURGED = { rows: 1_000, bytes: 262_144 };
/** So many ids are parsed at most when the stream wakes; the fewer, the more segments each id is looked up in. */
const MOST_SEGMENT_IDS = 12_288;

/**
 * The dedup window: which ids were published within the last `duplicateWindowMs`, and where. It outlives the messages.
 *
 * A row holds the ids of a commit. In memory, from the first use on, are only digests: they tell the few rows in which an
 * id may stand, and these are read to be sure. So a new id costs no read. Digests stand in segments, oldest first, each
 * stored once it is full; those of the last one are made from the rows when the stream wakes.
 */
export class PublishIds {
  readonly #sql: SqlStorage;
  #segments: IdSegment[] | undefined;
  #key: DigestKey = { low: 0, high: 0 };
  /** Ids of all segments. */
  #size = 0;
  /** Rows published before are deleted, or about to be. */
  #purgedBefore = 0;
  #hasGarbage = false;
  /** The oldest id published at `sinceMs` or later, and how many of its segment are older. */
  #oldest: { sinceMs: number; publishedAt: number; older: number } | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Where an id was stored at `sinceMs` or later; undefined when it was not. */
  find(id: string, sinceMs: number): KnownId | undefined {
    const segments = this.#load(sinceMs);
    const digest = digestOf(id, this.#key);
    for (let index = segments.length - 1; index >= 0; index -= 1) {
      for (const rows of segments[index]?.rowsOf(digest, sinceMs) ?? []) {
        const known = this.#read(id, rows, sinceMs);
        if (known !== undefined) {
          return known;
        }
      }
    }
    return undefined;
  }

  /**
   * How long until the window has room for `more` ids; 0 when it has.
   *
   * @returns Milliseconds.
   */
  waitMsFor(more: number, windowMs: number, nowMs: number): number {
    const sinceMs = Math.max(nowMs - windowMs, this.#purgedBefore);
    this.#load(sinceMs);
    this.#forgetBefore(sinceMs);
    if (this.#size + more <= LIMITS.publishIds) {
      return 0;
    }
    const { publishedAt, older } = this.#oldestSince(sinceMs) ?? { publishedAt: nowMs, older: 0 };
    return this.#size - older + more <= LIMITS.publishIds ? 0 : Math.max(1, publishedAt + windowMs - nowMs);
  }

  /**
   * Remembers the ids of one commit; call it within its transaction.
   *
   * @param sinceMs What was published before is not in the window any more.
   */
  add(ids: readonly NewId[], publishedAt: number, sinceMs: number): void {
    if (ids.length === 0) {
      return;
    }
    this.#load(sinceMs);
    for (let from = 0; from < ids.length; from += ROW_IDS) {
      const ofRow = ids.slice(from, from + ROW_IDS);
      const firstSequence = ofRow[0]?.firstSequence ?? 0;
      this.#sql.exec(
        "INSERT INTO publish_ids (first_sequence, published_at, ids) VALUES (?, ?, ?)",
        firstSequence,
        publishedAt,
        rowText(ofRow),
      );
      this.#remember(
        { firstSequence, publishedAt },
        ofRow.map(({ id }) => id),
        sinceMs,
      );
    }
    this.#storeFull(sinceMs);
  }

  /**
   * Forgets what is older than `sinceMs`, and deletes as much of it as one turn may. What is left is too old to be found.
   *
   * @returns Whether ids are stored.
   */
  purge(sinceMs: number): boolean {
    this.#sql.exec("DELETE FROM publish_id_segments WHERE newest_at < ?", sinceMs);
    this.#purgedBefore = Math.max(this.#purgedBefore, sinceMs);
    this.#forgetBefore(sinceMs);
    this.sweep();
    return this.#sql.exec("SELECT 1 FROM publish_ids LIMIT 1").toArray().length > 0;
  }

  /** Whether rows that {@link purge} has found too old are left to {@link sweep}. */
  get hasGarbage(): boolean {
    return this.#hasGarbage;
  }

  /** Deletes rows that are too old, as many as do not hold up the stream. */
  sweep(): void {
    // Publish times never decrease with the sequence. The length in bytes is known without reading the text.
    const old = this.#sql
      .exec<{ first: number; bytes: number }>(
        `SELECT first, bytes FROM (
           SELECT first_sequence AS first, published_at, octet_length(ids) AS bytes
           FROM publish_ids ORDER BY first_sequence LIMIT ?
         ) WHERE published_at < ?`,
        PURGED.rows + 1,
        this.#purgedBefore,
      )
      .toArray();
    let bytes = 0;
    const some = old.slice(0, PURGED.rows).filter((row, index) => {
      bytes += row.bytes;
      return index === 0 || bytes <= PURGED.bytes;
    });
    const last = some.at(-1);
    if (last !== undefined) {
      this.#sql.exec("DELETE FROM publish_ids WHERE first_sequence <= ?", last.first);
    }
    this.#hasGarbage = some.length < old.length;
  }

  /** Looks for an id in rows. */
  #read(id: string, [from, before]: RowRange, sinceMs: number): KnownId | undefined {
    // At once: a statement that was not read to its end locks the tables, which are renamed when the stream is deleted.
    const rows = this.#sql
      .exec<Pick<PublishIdsRow, "published_at" | "ids">>(
        `SELECT published_at, ids FROM publish_ids
         WHERE first_sequence >= ? AND first_sequence < ? AND published_at >= ? ORDER BY first_sequence DESC`,
        from,
        before,
        sinceMs,
      )
      .toArray();
    for (const { published_at: publishedAt, ids } of rows) {
      const stored = storedId(ids, id);
      if (stored !== undefined) {
        return { firstSequence: stored[1], count: stored[2], publishedAt };
      }
    }
    return undefined;
  }

  /** The oldest id published then or later; only the rows are read in which the time may fall. */
  #oldestSince(sinceMs: number): { publishedAt: number; older: number } | undefined {
    const [segment] = this.#segments ?? [];
    const known = this.#oldest;
    if (segment === undefined || (known !== undefined && known.sinceMs <= sinceMs && known.publishedAt >= sinceMs)) {
      return known;
    }
    const { count, publishedAt, mixed: [from, before] = [0, 0] } = segment.boundary(sinceMs);
    const rows = this.#sql
      .exec<{ published_at: number; count: number }>(
        `SELECT published_at, json_array_length(ids) AS count FROM publish_ids
         WHERE first_sequence >= ? AND first_sequence < ? AND published_at >= ? ORDER BY first_sequence`,
        from,
        before,
        sinceMs,
      )
      .toArray();
    const older = count - rows.reduce((sum, row) => sum + row.count, 0);
    this.#oldest = { sinceMs, publishedAt: rows[0]?.published_at ?? publishedAt, older };
    return this.#oldest;
  }

  #forgetBefore(sinceMs: number): void {
    const segments = this.#segments ?? [];
    for (let [oldest] = segments; oldest !== undefined && oldest.newestAt < sinceMs; [oldest] = segments) {
      segments.shift();
      this.#size -= oldest.count;
      this.#oldest = undefined;
    }
  }

  #remember(
    { firstSequence, publishedAt }: { firstSequence: number; publishedAt: number },
    ids: readonly string[],
    sinceMs: number,
  ): void {
    const segments = this.#load(sinceMs);
    let segment = segments.at(-1);
    if (segment === undefined || !segment.hasRoomFor(ids.length)) {
      const room = Math.min(Math.max(this.#size, LEAST_SEGMENT_IDS), MOST_SEGMENT_IDS);
      segment = IdSegment.withRoomFor(Math.max(room, ids.length));
      segments.push(segment);
    }
    segment.beginRow(firstSequence, publishedAt);
    for (const id of ids) {
      segment.add(digestOf(id, this.#key), sinceMs);
    }
    this.#size += ids.length;
  }

  /** Writes the segments that are full and not stored yet. */
  #storeFull(sinceMs: number): void {
    const segments = this.#load(sinceMs);
    for (const segment of segments) {
      if (segment.isStored || segment === segments.at(-1)) {
        continue;
      }
      const { parts } = segment;
      const { through, newestAt, count, slots, groups } = parts;
      this.#sql.exec("DELETE FROM publish_id_segments WHERE newest_at < ?", sinceMs);
      this.#sql.exec(
        `INSERT INTO publish_id_segments (through, newest_at, ids, key_low, key_high, slots, row_groups)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        through,
        newestAt,
        count,
        this.#key.low,
        this.#key.high,
        slots,
        groups,
      );
      segment.markStored(parts);
    }
  }

  #load(sinceMs: number): IdSegment[] {
    if (this.#segments === undefined) {
      this.#segments = [];
      this.#loadSegments(sinceMs);
      const rows = this.#sql.exec<PublishIdsRow>(
        `SELECT first_sequence, published_at, ids FROM publish_ids
         WHERE first_sequence > ? AND published_at >= ? ORDER BY first_sequence`,
        this.#segments.at(-1)?.through ?? 0,
        sinceMs,
      );
      for (const { first_sequence: firstSequence, published_at: publishedAt, ids } of rows) {
        // Written by add().
        const stored: StoredId[] = JSON.parse(ids);
        this.#remember(
          { firstSequence, publishedAt },
          stored.map(([id]) => id),
          sinceMs,
        );
      }
    }
    return this.#segments;
  }

  /** Loads what is stored of segments, but for those whose rows are too old or, all of them, deleted. */
  #loadSegments(sinceMs: number): void {
    const [oldest] = this.#sql
      .exec<Pick<PublishIdsRow, "published_at">>("SELECT published_at FROM publish_ids ORDER BY first_sequence LIMIT 1")
      .toArray();
    this.#purgedBefore = Math.max(this.#purgedBefore, oldest?.published_at ?? 0);
    // One key for all segments, those too old as well: a longer window may take these in again.
    const [key] = this.#sql
      .exec<Pick<PublishIdSegmentsRow, "key_low" | "key_high">>(
        "SELECT key_low, key_high FROM publish_id_segments LIMIT 1",
      )
      .toArray();
    this.#key = key === undefined ? newDigestKey() : { low: key.key_low, high: key.key_high };
    const rows = this.#sql.exec<Omit<PublishIdSegmentsRow, "key_low" | "key_high">>(
      "SELECT through, newest_at, ids, slots, row_groups FROM publish_id_segments WHERE newest_at >= ? ORDER BY through",
      Math.max(sinceMs, this.#purgedBefore),
    );
    for (const { through, newest_at: newestAt, ids: count, slots, row_groups: groups } of rows) {
      this.#segments?.push(IdSegment.from({ through, newestAt, count, slots, groups }));
      this.#size += count;
    }
  }
}

/** The ids of a row, each on a line of its own: no other JSON text has a line feed before an id. */
function rowText(ids: readonly NewId[]): string {
  const lines = ids.map(({ id, firstSequence, count }) => `\n[${JSON.stringify(id)},${firstSequence},${count}]`);
  return `[${lines.join()}]`;
}

/** Finds an id in the text of a row. */
function storedId(text: string, id: string): StoredId | undefined {
  const start = `\n[${JSON.stringify(id)},`;
  const at = text.indexOf(start);
  if (at !== -1) {
    return JSON.parse(text.slice(at, text.indexOf("]", at + start.length) + 1));
  }
  if (text.startsWith("[\n")) {
    return undefined;
  }
  // Rows of older versions have no lines.
  const ids: StoredId[] = JSON.parse(text);
  return ids.find(([stored]) => stored === id);
}
