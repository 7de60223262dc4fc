import { RpcError } from "../../../rpc/index.ts";

import { stateOf, UPLOAD_MARK } from "../bucket.ts";

/** All rows hold the same `held`: while one is there, none is added that was begun upon anything else. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS attempts (
    mark TEXT PRIMARY KEY, -- in the object's metadata, if it was stored
    completion TEXT NOT NULL, -- SHA-256 of the call
    held TEXT -- version of the object that it may replace; NULL: there was none, it may only create
  ) WITHOUT ROWID;`;

type AttemptRow = { mark: string; completion: string; held: string | null };

/**
 * The puts of one upload that were begun, and of which it is not known that they stored nothing: R2 did not answer, or
 * the upload's Durable Object was lost in between. One of them may be on its way still.
 *
 * Each is put on the condition that the key holds what it held when the attempt was begun, and another is begun only
 * while that is so. So no two can be stored one after the other, and none in the place of what came since.
 *
 * Two things R2 can not tell. It compares etags, which are of the bytes: while nobody was told how an attempt ended, it
 * may still replace an object of the same bytes as the one it was begun upon. And a key whose object was deleted is as
 * one that never had any: an attempt that only creates may be followed by another.
 */
export class UploadAttempts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Whether there are any. */
  get areOpen(): boolean {
    return this.#any() !== undefined;
  }

  /** The completion of the attempt that stored what the key holds, if one did. */
  completionOf(object: R2Object | null): string | undefined {
    const mark = object?.customMetadata?.[UPLOAD_MARK];
    if (mark === undefined || !this.#hasTable()) {
      return undefined;
    }
    const [row] = this.#sql
      .exec<AttemptRow>("SELECT mark, completion, held FROM attempts WHERE mark = ?", mark)
      .toArray();
    return row?.completion;
  }

  /**
   * Makes sure that no attempt can have stored an object that is gone again.
   *
   * @param object What the key holds, which no attempt stored.
   * @throws OutcomeUnknown, with what there is now.
   */
  assertNoneStored(object: R2Object | null): void {
    const open = this.#any();
    if (open !== undefined && open.held !== versionOf(object)) {
      throw this.unknown(object);
    }
  }

  /** What to tell when it can not be known whether the upload stored its object. */
  unknown(object: R2Object | null): RpcError {
    const message = "an earlier attempt may have stored the object; see with headObject what there is now";
    return new RpcError("OutcomeUnknown", message, { ...stateOf(object), what: "upload" });
  }

  /** Notes an attempt before it is made. @returns The mark that its object is to have. */
  begin(completion: string, object: R2Object | null): string {
    const mark = crypto.randomUUID();
    this.#sql.exec(SCHEMA);
    this.#sql.exec(
      "INSERT INTO attempts (mark, completion, held) VALUES (?, ?, ?)",
      mark,
      completion,
      versionOf(object),
    );
    return mark;
  }

  /** Forgets an attempt that certainly stored nothing. */
  storedNothing(mark: string): void {
    this.#sql.exec("DELETE FROM attempts WHERE mark = ?", mark);
  }

  /** Forgets all of them; to be called in the transaction that notes how the upload ended. */
  drop(): void {
    this.#sql.exec("DROP TABLE IF EXISTS attempts");
  }

  #any(): AttemptRow | undefined {
    return this.#hasTable()
      ? this.#sql.exec<AttemptRow>("SELECT mark, completion, held FROM attempts LIMIT 1").toArray()[0]
      : undefined;
  }

  #hasTable(): boolean {
    return (
      this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'attempts'").toArray().length > 0
    );
  }
}

function versionOf(object: R2Object | null): string | null {
  return object?.version ?? null;
}
