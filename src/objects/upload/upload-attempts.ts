import { RpcError } from "../../../rpc/index.ts";

import { stateOf, UPLOAD_MARK } from "../bucket.ts";

import type { AttemptRow } from "./schema.ts";

/**
 * The open attempts of one upload, the table `attempts`: puts that were begun and may have stored the object, because R2
 * did not answer or the Durable Object was lost meanwhile. One of them may still be running. The table is there as long as
 * the upload is not completed.
 *
 * Each put is conditional on the version that the key had when the attempt began, and another attempt begins only while
 * the key has that version. So at most one of them is stored, and none replaces a later object.
 *
 * There are two gaps, because R2 compares etags, which depend on the bytes only. While the outcome of an attempt is
 * unknown, it may still replace another object with the same bytes as the one it began on. And a key whose object was
 * deleted looks like one that never had an object: after an attempt that may only create, another one may create again.
 */
export class UploadAttempts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Whether there is an open attempt. */
  get areOpen(): boolean {
    return this.#any() !== undefined;
  }

  /** The digest of the completeUpload call whose attempt stored this object; undefined when none did. */
  completionOf(object: R2Object | null): string | undefined {
    const mark = object?.customMetadata?.[UPLOAD_MARK];
    if (mark === undefined) {
      return undefined;
    }
    const [row] = this.#sql
      .exec<AttemptRow>("SELECT mark, completion, held FROM attempts WHERE mark = ?", mark)
      .toArray();
    return row?.completion;
  }

  /**
   * Makes sure that no open attempt can have stored an object that was replaced or deleted since.
   *
   * @param object What the key has now; no attempt stored it.
   * @throws OutcomeUnknown, with what the key has now.
   */
  assertNoneStored(object: R2Object | null): void {
    const open = this.#any();
    if (open !== undefined && open.held !== versionOf(object)) {
      throw this.unknown(object);
    }
  }

  /** The error when it can not be known whether the upload stored its object. */
  unknown(object: R2Object | null): RpcError {
    const message = "an earlier attempt may have stored the object; see with headObject what there is now";
    return new RpcError("OutcomeUnknown", message, { ...stateOf(object), what: "upload" });
  }

  /** Records an attempt before its put. @returns The mark to put into the metadata of its object. */
  begin(completion: string, object: R2Object | null): string {
    const mark = crypto.randomUUID();
    this.#sql.exec(
      "INSERT INTO attempts (mark, completion, held) VALUES (?, ?, ?)",
      mark,
      completion,
      versionOf(object),
    );
    return mark;
  }

  /** Removes an attempt that certainly stored nothing. */
  storedNothing(mark: string): void {
    this.#sql.exec("DELETE FROM attempts WHERE mark = ?", mark);
  }

  /** Removes all attempts; call it in the transaction that records how the upload ended. */
  drop(): void {
    this.#sql.exec("DROP TABLE IF EXISTS attempts");
  }

  #any(): AttemptRow | undefined {
    return this.#sql.exec<AttemptRow>("SELECT mark, completion, held FROM attempts LIMIT 1").toArray()[0];
  }
}

function versionOf(object: R2Object | null): string | null {
  return object?.version ?? null;
}
