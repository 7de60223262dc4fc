import { LIMITS, RpcError } from "../../../rpc/index.ts";
import type { CreateUploadParams, ObjectInfo, UploadedPart } from "../../../rpc/index.ts";
import { migrate } from "../../platform/schema.ts";

import { COMPLETED_SCHEMA, MIGRATIONS } from "./schema.ts";
import type { CompletedRow, PartRow, UploadRow } from "./schema.ts";

/**
 * The upload and its parts, or the answer that is kept of a completed one: the tables `upload` and `parts`, or `completed`,
 * or none of them.
 */
export class UploadStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    if (this.#hasTable("upload")) {
      migrate(storage, MIGRATIONS);
    }
  }

  /** Adds the upload; call it in a transaction. */
  create({ key, contentType, metadata }: CreateUploadParams): void {
    migrate(this.#storage, MIGRATIONS);
    this.#sql.exec(
      "INSERT INTO upload (key, content_type, metadata) VALUES (?, ?, ?)",
      key,
      contentType ?? null,
      JSON.stringify(metadata ?? {}),
    );
  }

  /** The upload of this key; undefined when there is none, or when it is completed. */
  find(key: string): UploadRow | undefined {
    return this.#hasTable("upload")
      ? this.#sql.exec<UploadRow>("SELECT key, content_type, metadata FROM upload WHERE key = ?", key).toArray()[0]
      : undefined;
  }

  /** Stores a part; it replaces one of the same number. */
  putPart({ partNumber, etag }: UploadedPart, data: Uint8Array): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO parts (part_number, etag, size, data) VALUES (?, ?, ?, ?)",
      partNumber,
      etag,
      data.byteLength,
      data,
    );
  }

  /** The bytes of a part that exists. */
  partData(partNumber: number): Uint8Array {
    const { data } = this.#sql
      .exec<Pick<PartRow, "data">>("SELECT data FROM parts WHERE part_number = ?", partNumber)
      .one();
    return new Uint8Array(data);
  }

  /** Bytes of the listed parts. @throws NotFound for a missing part, Conflict (`etag`) for one that was replaced. */
  sizeOf(parts: readonly UploadedPart[]): number {
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

  /** The answer of a completed upload; undefined when it is not completed. */
  completed(): CompletedRow | undefined {
    return this.#hasTable("completed")
      ? this.#sql.exec<CompletedRow>("SELECT completion, object FROM completed").one()
      : undefined;
  }

  /** Replaces the upload by the answer that repeats of the call get; call it in a transaction. */
  complete(completion: string, info: ObjectInfo): CompletedRow {
    const completed = { completion, object: JSON.stringify(info) };
    this.#sql.exec(COMPLETED_SCHEMA);
    this.#sql.exec("INSERT INTO completed (completion, object) VALUES (?, ?)", completion, completed.object);
    this.#sql.exec("DROP TABLE upload");
    this.#sql.exec("DROP TABLE parts");
    return completed;
  }

  #hasTable(name: "upload" | "completed"): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name).toArray().length > 0;
  }
}
