import type { Migration } from "../../platform/schema.ts";

/** What is uploaded. */
export type UploadRow = {
  key: string;
  content_type: string | null;
  /** JSON. */
  metadata: string;
};

/** One part. */
export type PartRow = {
  part_number: number;
  etag: string;
  /** Bytes of `data`. */
  size: number;
  data: ArrayBuffer;
};

/** An attempt to complete the upload. */
export type AttemptRow = {
  /** In the metadata of the object, if it was stored. */
  mark: string;
  /** SHA-256 of the call. */
  completion: string;
  /**
   * Version of the object that it may replace; null when there was none, so it may only create. It is the same in all rows:
   * while there is one, no attempt begins on another version.
   */
  held: string | null;
};

/** What is kept of a completed upload. */
export type CompletedRow = {
  /** SHA-256 of the call. */
  completion: string;
  /** JSON of its ObjectInfo. */
  object: string;
};

/** The tables of an upload that is not completed. See `platform/schema.ts` for what a migration may do. Append only. */
export const MIGRATIONS: readonly Migration[] = [
  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS upload (key TEXT NOT NULL, content_type TEXT, metadata TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS parts (
      part_number INTEGER PRIMARY KEY,
      etag TEXT NOT NULL,
      size INTEGER NOT NULL,
      data BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS attempts (mark TEXT PRIMARY KEY, completion TEXT NOT NULL, held TEXT) WITHOUT ROWID;`);
  },
];

/** The one table of a completed upload, in place of the others. It has no versions: more goes in `object`. */
export const COMPLETED_SCHEMA = "CREATE TABLE completed (completion TEXT NOT NULL, object TEXT NOT NULL)";
