import { LIMITS } from "../../../rpc/index.ts";
import type { StreamConfig } from "../../../rpc/index.ts";

/** How long an answer is good for while there is much room. */
const FRESH_MS = 100;
/** More than can be written in that time. */
const MUCH_ROOM_BYTES = 67_108_864;

/** How much a stream's database uses. SQLite is not asked before every commit: that costs a lone publish 30 µs. */
export class StorageGauge {
  readonly #sql: SqlStorage;
  readonly #streamBytes: number;
  readonly #deleted: { readonly messageBytes: number };
  #askedAt = Number.NEGATIVE_INFINITY;
  #usedBytes = 0;

  /**
   * @param streamBytes What a stream without a `maxBytes` of its own may use.
   * @param deleted What is about to be deleted: that is room.
   */
  constructor(sql: SqlStorage, streamBytes: number, deleted: { readonly messageBytes: number }) {
    this.#sql = sql;
    this.#streamBytes = streamBytes;
    this.#deleted = deleted;
  }

  /** The bytes that may still be written before the stream is full. */
  roomBytes({ maxBytes }: StreamConfig, nowMs: number): number {
    const capBytes = maxBytes === undefined ? this.#streamBytes : LIMITS.streamMaxBytes;
    const isFresh = Math.abs(nowMs - this.#askedAt) < FRESH_MS && capBytes - this.#usedBytes > MUCH_ROOM_BYTES;
    if (!isFresh) {
      this.#usedBytes = Math.max(0, this.#sql.databaseSize - this.#deleted.messageBytes);
      this.#askedAt = nowMs;
    }
    return capBytes - this.#usedBytes;
  }
}
