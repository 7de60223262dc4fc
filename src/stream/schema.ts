import { hasColumn } from "../platform/schema.ts";
import type { Migration } from "../platform/schema.ts";

/**
 * The tables of a stream. They are made with the first write: looking at a stream that was never used stores nothing.
 */

/** The one row that says what the stream is. */
export type StreamRow = {
  name: string;
  epoch: string;
  created_at: number;
  /** JSON of the config's fields that differ from the defaults. */
  config: string;
  /** JSON of the state document. */
  state: string;
  revision: number;
  /** Sequences up to here are deleted for good; they may still stand in the row that the floor cuts through. */
  deleted_through: number;
  /** The stream's clock when `deleted_through` moved: publish times never go back. */
  clock_at: number;
  /** Bytes of the messages deleted one by one, within the rows of `batches`. */
  hole_bytes: number;
  /** The epoch that the Directory knows; null for none, and from when a deletion begins. */
  listed_epoch: string | null;
  /** How many deletions have begun. */
  deletions: number;
};

/** One committed batch. Rows follow each other without a gap in sequences. */
export type BatchRow = {
  first_sequence: number;
  last_sequence: number;
  published_at: number;
  /** Messages in `messages`: fewer than the sequences when some were deleted one by one. */
  count: number;
  /** UTF-8 bytes of `messages` when it was written. */
  bytes: number;
  /** Sum of `bytes` of this row and all that were ever written before it. */
  end_bytes: number;
  /** Bytes deleted from this row one by one. */
  hole_bytes: number;
  /** JSON of `[id, epoch, first, count, offset][]`: what is of producers, `offset` after `first_sequence`; null for nothing. */
  producers: string | null;
  /** The JSON texts of the messages, joined as they go on the wire (`MESSAGE_SEPARATOR`). */
  messages: string;
};

/**
 * Which subjects are in a stretch of the log. What no row covers is unknown: the newest messages, and those of a version
 * without this table. Messages that were deleted since may still be told.
 */
export type SubjectsRow = {
  first_sequence: number;
  last_sequence: number;
  /** JSON of the last sequences of the stretch's blocks. */
  blocks: string;
  /** JSON of `[subject, first, last, count, blocks][]`, see `SubjectPlaces`. */
  subjects: string;
};

/** A part of what is known of the stream's producers: see `ProducerParts`. Versions before leave what may be null so. */
export type ProducersRow = {
  part: number;
  /** Of the first row: the sequence up to which all parts together tell all. */
  through: number;
  /** How many runs the part tells of. */
  runs: number | null;
  /** When the first of its producers published last. */
  oldest_at: number | null;
  /** When the last of them did. */
  newest_at: number | null;
  /** The key of the digests, the same in all rows. */
  key_low: number | null;
  key_high: number | null;
  /** Two words of 32 bits for each producer. */
  digests: ArrayBuffer | null;
  /** JSON of entries, each on a line of its own; by versions before all on one. */
  producers: string;
};

/** The ids of one commit, until its window has passed; more rows than one when they are many. */
export type PublishIdsRow = {
  first_sequence: number;
  published_at: number;
  /** JSON of `[id, first sequence, count][]`, each on a line of its own; by older versions all on one. */
  ids: string;
};

/** Digests of the ids of many rows of `publish_ids`, up to and with the one that begins with the sequence `through`. */
export type PublishIdSegmentsRow = {
  through: number;
  newest_at: number;
  /** How many ids. */
  ids: number;
  /** The key of the digests, the same in all rows. */
  key_low: number;
  key_high: number;
  /** `IdSegment`'s own. */
  slots: ArrayBuffer;
  row_groups: ArrayBuffer;
};

/** A gateway that wants pushes until `expires_at`. */
export type GatewayRow = { name: string; expires_at: number };

/** One consumer. */
export type ConsumerRow = {
  /** Random, so that a consumer made anew is another one: leases carry it. */
  id: number;
  name: string;
  /** JSON of `ConsumerConfig`. */
  config: string;
  /** JSON of `StoredCursor`. */
  cursor: string;
};

/** A subscription that shares a consumer; `holder` is its name at the cursor. */
export type ConsumerSubscriptionRow = { holder: string; consumer: number; gateway: string; max_in_flight: number };

/** A message that a consumer does not deliver any more. */
export type DeadLetterRow = { sequence: number; deliveries: number; reason: string; dead_at: number };

/** See `platform/schema.ts` for what a migration may do. Append only. */
export const MIGRATIONS: readonly Migration[] = [
  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS stream (
      name TEXT NOT NULL,
      epoch TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      config TEXT NOT NULL,
      state TEXT NOT NULL,
      revision INTEGER NOT NULL,
      deleted_through INTEGER NOT NULL,
      clock_at INTEGER NOT NULL,
      hole_bytes INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS batches (
      first_sequence INTEGER PRIMARY KEY,
      last_sequence INTEGER NOT NULL,
      published_at INTEGER NOT NULL,
      count INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      end_bytes INTEGER NOT NULL,
      hole_bytes INTEGER NOT NULL,
      messages TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS holes (sequence INTEGER PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS publish_ids (
      first_sequence INTEGER PRIMARY KEY,
      published_at INTEGER NOT NULL,
      ids TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS gateways (name TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;`);
  },

  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS consumers (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      config TEXT NOT NULL,
      cursor TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS consumer_subscriptions (
      holder TEXT PRIMARY KEY,
      consumer INTEGER NOT NULL,
      gateway TEXT NOT NULL,
      max_in_flight INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS dead_letters (
      consumer INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      deliveries INTEGER NOT NULL,
      reason TEXT NOT NULL,
      dead_at INTEGER NOT NULL,
      PRIMARY KEY (consumer, sequence)
    ) WITHOUT ROWID;`);
  },

  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS producers (
      part INTEGER PRIMARY KEY,
      through INTEGER NOT NULL,
      producers TEXT NOT NULL
    )`);
    if (!hasColumn(sql, "batches", "producers")) {
      // Made anew, and not `ADD COLUMN`, so that `producers` stands before `messages`: what comes after a long text is
      // read by way of all its pages. For code of the version before it is one more column that may be null.
      sql.exec(`CREATE TABLE batches_with_producers (
        first_sequence INTEGER PRIMARY KEY,
        last_sequence INTEGER NOT NULL,
        published_at INTEGER NOT NULL,
        count INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        end_bytes INTEGER NOT NULL,
        hole_bytes INTEGER NOT NULL,
        producers TEXT,
        messages TEXT NOT NULL
      );
      INSERT INTO batches_with_producers
        SELECT first_sequence, last_sequence, published_at, count, bytes, end_bytes, hole_bytes, NULL, messages
        FROM batches;
      DROP TABLE batches;
      ALTER TABLE batches_with_producers RENAME TO batches;`);
    }
  },

  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS publish_id_segments (
      through INTEGER PRIMARY KEY,
      newest_at INTEGER NOT NULL,
      ids INTEGER NOT NULL,
      key_low INTEGER NOT NULL,
      key_high INTEGER NOT NULL,
      slots BLOB NOT NULL,
      row_groups BLOB NOT NULL
    )`);
  },

  (sql) => {
    if (!hasColumn(sql, "stream", "listed_epoch")) {
      sql.exec(`ALTER TABLE stream ADD COLUMN listed_epoch TEXT;
      ALTER TABLE stream ADD COLUMN deletions INTEGER NOT NULL DEFAULT 0;`);
    }
  },

  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS subjects (
      first_sequence INTEGER PRIMARY KEY,
      last_sequence INTEGER NOT NULL,
      blocks TEXT NOT NULL,
      subjects TEXT NOT NULL
    )`);
  },

  (sql) => {
    if (!hasColumn(sql, "producers", "digests")) {
      // Made anew, so that what a stream reads when it wakes stands before the long text.
      sql.exec(`CREATE TABLE producers_with_digests (
        part INTEGER PRIMARY KEY,
        through INTEGER NOT NULL,
        runs INTEGER,
        oldest_at INTEGER,
        newest_at INTEGER,
        key_low INTEGER,
        key_high INTEGER,
        digests BLOB,
        producers TEXT NOT NULL
      );
      INSERT INTO producers_with_digests (part, through, producers) SELECT part, through, producers FROM producers;
      DROP TABLE producers;
      ALTER TABLE producers_with_digests RENAME TO producers;`);
    }
  },

  (sql) => {
    // How many bytes the message freed, or those that were deleted with it from the same row; null for one of a version before.
    if (!hasColumn(sql, "holes", "bytes")) {
      sql.exec("ALTER TABLE holes ADD COLUMN bytes INTEGER");
    }
  },
];
