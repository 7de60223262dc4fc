import type { Migration } from "../platform/schema.ts";

/** What is known of one name. */
export type StreamRow = {
  name: string;
  /** Of the stream that has the name, or that had it last. */
  epoch: string;
  created_at: number;
  /** How many deletions of it had begun when this was told. */
  deletions: number;
  /** When the Directory heard that it is deleted; null while it exists. */
  deleted_at: number | null;
};

/** See `platform/schema.ts` for what a migration may do. Append only. */
export const MIGRATIONS: readonly Migration[] = [
  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS streams (
      name TEXT PRIMARY KEY,
      epoch TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      deletions INTEGER NOT NULL,
      deleted_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS tombstones ON streams (deleted_at) WHERE deleted_at IS NOT NULL;`);
  },
];
