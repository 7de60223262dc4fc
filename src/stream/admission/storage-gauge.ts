/** How long an answer is good for while there is much room. */
const FRESH_MS = 100;
/** More than can be written in that time. */
const MUCH_ROOM_BYTES = 67_108_864;

/** How much a stream's database uses. SQLite is not asked before every commit: that costs a lone publish 30 µs. */
export class StorageGauge {
  readonly #sql: SqlStorage;
  #askedAt = Number.NEGATIVE_INFINITY;
  #usedBytes = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The bytes that may be written before the database uses `capBytes`. */
  roomBytes(capBytes: number, nowMs: number): number {
    const isFresh = Math.abs(nowMs - this.#askedAt) < FRESH_MS && capBytes - this.#usedBytes > MUCH_ROOM_BYTES;
    if (!isFresh) {
      this.#usedBytes = this.#sql.databaseSize;
      this.#askedAt = nowMs;
    }
    return capBytes - this.#usedBytes;
  }
}
