import type { ListCall, ListReply, StreamNews } from "../internal/directory-calls.ts";
import { migrate } from "../platform/schema.ts";

import { MIGRATIONS } from "./schema.ts";
import type { StreamRow } from "./schema.ts";

/** After every character that a stream's name may have. */
const AFTER_NAMES = "~";

/** What is known of the streams, a row for each name: the table `streams`. */
export class Listings {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    migrate(storage, MIGRATIONS);
  }

  /** What is known of a name; undefined for nothing. */
  find(name: string): Omit<StreamRow, "name"> | undefined {
    const statement = "SELECT epoch, created_at, deletions, deleted_at FROM streams WHERE name = ?";
    return this.#sql.exec<Omit<StreamRow, "name">>(statement, name).toArray()[0];
  }

  /** Writes what a stream says of itself, in place of what was known of its name. */
  put({ name, epoch, createdAt, deletions, exists }: StreamNews, nowMs: number): void {
    this.#sql.exec(
      `INSERT INTO streams (name, epoch, created_at, deletions, deleted_at) VALUES (?1, ?2, ?3, ?4, ?5)
       ON CONFLICT (name) DO UPDATE SET epoch = ?2, created_at = ?3, deletions = ?4, deleted_at = ?5`,
      name,
      epoch,
      createdAt,
      deletions,
      exists ? null : nowMs,
    );
  }

  /** Drops the oldest of the deleted streams that were told so before a time, at most so many. */
  dropDeleted(beforeMs: number, most: number): void {
    this.#sql.exec(
      `DELETE FROM streams WHERE name IN (
         SELECT name FROM streams WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?
       )`,
      beforeMs,
      most,
    );
  }

  /** The streams among the next rows, in the order of their names. */
  list({ prefix, after, rows: most }: ListCall): ListReply {
    const rows = this.#sql
      .exec<Pick<StreamRow, "name" | "epoch" | "created_at" | "deleted_at">>(
        `SELECT name, epoch, created_at, deleted_at FROM streams
         WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?`,
        after,
        prefix,
        prefix + AFTER_NAMES,
        most,
      )
      .toArray();
    const streams = rows.filter(({ deleted_at }) => deleted_at === null);
    const last = rows.length < most ? undefined : rows.at(-1)?.name;
    return {
      names: streams.map(({ name }) => name),
      epochs: streams.map(({ epoch }) => epoch),
      createdAt: streams.map(({ created_at }) => created_at),
      ...(last === undefined ? {} : { lookedThrough: last }),
    };
  }
}
