import { DurableObject } from "cloudflare:workers";

import { isRpcError, LIMITS, RpcError } from "../../rpc/index.ts";
import type { CompleteUploadParams, CreateUploadParams, Done, ObjectInfo, UploadedPart } from "../../rpc/index.ts";
import type { Refused } from "../calls.ts";
import { logError } from "../log.ts";

import { objectInfo, stored } from "./bucket.ts";
import { bucketConditions } from "./conditions.ts";
import { callBucket } from "./failures.ts";

const SCHEMA = `
  CREATE TABLE upload (
    key TEXT NOT NULL,
    content_type TEXT,
    metadata TEXT NOT NULL -- JSON
  );
  CREATE TABLE parts (
    part_number INTEGER PRIMARY KEY,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL, -- bytes of data
    data BLOB NOT NULL
  );`;

type Completion = Omit<CompleteUploadParams, "uploadId">;

type UploadRow = { key: string; content_type: string | null; metadata: string };
type PartRow = { part_number: number; etag: string; size: number; data: ArrayBuffer };

/**
 * One upload in parts, from createUpload to completeUpload, when it becomes one object by one put.
 *
 * R2's own multipart upload wants parts of 5 MiB or more, and a frame is 1 MiB: no client could send one. So the parts
 * wait here. That also makes the whole conditional and checked, which R2's multipart upload is not.
 */
export class Upload extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql;
  /** While the parts are being put as one object, nothing may change them. */
  #isCompleting = false;

  /** Begins the upload. It is dropped after `LIMITS.uploadKeptMs`. */
  async create({ key, contentType, metadata }: CreateUploadParams, nowMs: number): Promise<number> {
    const expiresAt = nowMs + LIMITS.uploadKeptMs;
    await this.ctx.storage.setAlarm(expiresAt);
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(SCHEMA);
      this.#sql.exec(
        "INSERT INTO upload (key, content_type, metadata) VALUES (?, ?, ?)",
        key,
        contentType ?? null,
        JSON.stringify(metadata ?? {}),
      );
    });
    return expiresAt;
  }

  /**
   * Stores a part, in place of one that has its number.
   *
   * @param data 0 to `LIMITS.objectBodyBytes` bytes.
   * @returns NotFound when there is no such upload, Conflict while it is being completed.
   */
  async putPart(key: string, part: UploadedPart, data: Uint8Array): Promise<UploadedPart | Refused> {
    return refusable(async () => {
      this.#changeable(key);
      this.#sql.exec(
        "INSERT OR REPLACE INTO parts (part_number, etag, size, data) VALUES (?, ?, ?, ?)",
        part.partNumber,
        part.etag,
        data.byteLength,
        data,
      );
      return part;
    });
  }

  /**
   * Puts the listed parts as one object and drops the upload. When it fails the upload stays, and can be completed
   * again.
   */
  async complete(params: Completion): Promise<ObjectInfo | Refused> {
    return refusable(async () => {
      const upload = this.#changeable(params.key);
      const size = this.#sizeOf(params.parts);
      this.#isCompleting = true;
      try {
        const object = await this.#put(upload, params, size);
        await this.#drop();
        return objectInfo(object);
      } finally {
        this.#isCompleting = false;
      }
    });
  }

  /** Drops the upload and its parts. */
  async abort(key: string): Promise<Done | Refused> {
    return refusable(async () => {
      this.#changeable(key);
      await this.#drop();
      return {};
    });
  }

  /** Drops an upload that was never completed. */
  override async alarm(): Promise<void> {
    if (this.#isCompleting) {
      await this.ctx.storage.setAlarm(Date.now() + LIMITS.uploadKeptMs);
      return;
    }
    try {
      await this.#drop();
    } catch (error) {
      // An alarm that throws is given up in the end.
      logError("the alarm of an upload failed", error);
      await this.ctx.storage.setAlarm(Date.now() + LIMITS.pingMs);
    }
  }

  #changeable(key: string): UploadRow {
    const tables = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'upload'").toArray();
    const row =
      tables.length === 0
        ? undefined
        : this.#sql.exec<UploadRow>("SELECT key, content_type, metadata FROM upload WHERE key = ?", key).toArray()[0];
    if (row === undefined) {
      throw new RpcError("NotFound", "no such upload of this key", { what: "upload" });
    }
    if (this.#isCompleting) {
      throw new RpcError("Conflict", "the upload is being completed", { what: "upload" });
    }
    return row;
  }

  /** Bytes of the listed parts. NotFound for a part that is not there, Conflict (`etag`) for one that is another. */
  #sizeOf(parts: readonly UploadedPart[]): number {
    const rows = this.#sql
      .exec<Omit<PartRow, "data">>(
        "SELECT part_number, etag, size FROM parts ORDER BY part_number LIMIT ?",
        LIMITS.uploadParts,
      )
      .toArray();
    const present = new Map(rows.map((row) => [row.part_number, row]));
    let size = 0;
    for (const { partNumber, etag } of parts) {
      const row = present.get(partNumber);
      if (row === undefined) {
        throw new RpcError("NotFound", "no such part", { what: "part", partNumber });
      }
      if (row.etag !== etag) {
        throw new RpcError("Conflict", "the part is another by now", { what: "part", partNumber, etag: row.etag });
      }
      size += row.size;
    }
    return size;
  }

  async #put(upload: UploadRow, params: Completion, size: number): Promise<R2Object> {
    const { key, parts, sha256 } = params;
    const { readable, writable } = new FixedLengthStream(size);
    const writer = writable.getWriter();
    const written = this.#write(parts, writer);
    written.catch(() => {
      // Safe: a body that breaks off fails the put that reads it.
    });
    // Written by create() from checked metadata.
    const customMetadata: Record<string, string> = JSON.parse(upload.metadata);
    try {
      const object = await callBucket("changes", () =>
        this.env.BUCKET.put(key, readable, {
          onlyIf: bucketConditions(params),
          httpMetadata: upload.content_type === null ? {} : { contentType: upload.content_type },
          customMetadata,
          ...(sha256 === undefined ? {} : { sha256 }),
        }),
      );
      return await stored(this.env.BUCKET, key, object);
    } finally {
      await writer.abort().catch(() => {
        // Safe: it is closed, or broken off already.
      });
    }
  }

  /** Writes the parts one after the other, each when R2 has taken the one before: one is in memory at a time. */
  async #write(parts: readonly UploadedPart[], writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    for (const { partNumber } of parts) {
      const { data } = this.#sql
        .exec<Pick<PartRow, "data">>("SELECT data FROM parts WHERE part_number = ?", partNumber)
        .one();
      await writer.write(new Uint8Array(data));
    }
    await writer.close();
  }

  async #drop(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }
}

/** Says by value what a caller can act on: thrown across an RPC boundary it would count as a failure of this object. */
async function refusable<T>(work: () => Promise<T>): Promise<T | Refused> {
  try {
    return await work();
  } catch (error) {
    if (!isRpcError(error)) {
      throw error;
    }
    return { refused: { code: error.code, message: error.message, data: error.data ?? {} } };
  }
}
