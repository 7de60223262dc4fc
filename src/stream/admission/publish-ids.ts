import { LIMITS } from "../../../rpc/index.ts";

import type { PublishIdsRow } from "../schema.ts";

/** Where an id was stored. */
export type KnownId = { firstSequence: number; count: number; publishedAt: number };

/** One stored request that carried an id. */
export type NewId = { id: string; firstSequence: number; count: number };

/**
 * The dedup window: which ids were published within the last `duplicateWindowMs`, and where. It outlives the messages.
 *
 * Kept in memory from the first use on, oldest first; a row holds the ids of one commit.
 */
export class PublishIds {
  readonly #sql: SqlStorage;
  #known: Map<string, KnownId> | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Where an id was stored at `sinceMs` or later; undefined when it was not. */
  find(id: string, sinceMs: number): KnownId | undefined {
    const known = this.#load().get(id);
    return known !== undefined && known.publishedAt >= sinceMs ? known : undefined;
  }

  /**
   * How long until the window has room for `more` ids; 0 when it has.
   *
   * @returns Milliseconds.
   */
  waitMsFor(more: number, windowMs: number, nowMs: number): number {
    const known = this.#load();
    this.#forgetBefore(nowMs - windowMs);
    if (known.size + more <= LIMITS.publishIds) {
      return 0;
    }
    const [oldest] = known.values();
    return Math.max(1, (oldest?.publishedAt ?? nowMs) + windowMs - nowMs);
  }

  /** Remembers the ids of one commit; call it within its transaction. */
  add(ids: readonly NewId[], publishedAt: number): void {
    const [first] = ids;
    if (first === undefined) {
      return;
    }
    const known = this.#load();
    for (const { id, firstSequence, count } of ids) {
      // Deleted first, so that an id used again after its window goes to the young end.
      known.delete(id);
      known.set(id, { firstSequence, count, publishedAt });
    }
    this.#sql.exec(
      "INSERT INTO publish_ids (first_sequence, published_at, ids) VALUES (?, ?, ?)",
      first.firstSequence,
      publishedAt,
      JSON.stringify(ids.map(({ id, firstSequence, count }) => [id, firstSequence, count])),
    );
  }

  /**
   * Deletes what is older than `sinceMs`.
   *
   * @returns Whether ids are left.
   */
  purge(sinceMs: number): boolean {
    this.#sql.exec("DELETE FROM publish_ids WHERE published_at < ?", sinceMs);
    if (this.#known !== undefined) {
      this.#forgetBefore(sinceMs);
    }
    return this.#sql.exec("SELECT 1 FROM publish_ids LIMIT 1").toArray().length > 0;
  }

  #forgetBefore(sinceMs: number): void {
    const known = this.#load();
    for (const [id, { publishedAt }] of known) {
      if (publishedAt >= sinceMs) {
        return;
      }
      known.delete(id);
    }
  }

  #load(): Map<string, KnownId> {
    if (this.#known === undefined) {
      this.#known = new Map();
      const rows = this.#sql.exec<PublishIdsRow>(
        "SELECT first_sequence, published_at, ids FROM publish_ids ORDER BY first_sequence",
      );
      for (const row of rows) {
        // Written by add().
        const ids: [string, number, number][] = JSON.parse(row.ids);
        for (const [id, firstSequence, count] of ids) {
          this.#known.delete(id);
          this.#known.set(id, { firstSequence, count, publishedAt: row.published_at });
        }
      }
    }
    return this.#known;
  }
}
