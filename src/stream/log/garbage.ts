import type { Batches, BatchHead } from "./batches.ts";

/**
 * What one turn deletes at most; the first row whatever its size. SQLite reads each page of a row that it deletes: half a
 * megabyte takes it about 5 ms.
 */
const TURN = { rows: 200, bytes: 262_144, holes: 2_500 };

/** What is below a log's floor and not deleted yet: rows, the oldest first, and then holes. */
export class Garbage {
  readonly #sql: SqlStorage;
  readonly #batches: Batches;
  #isLeft: boolean;
  #startBytes = 0;

  /** @param floor Of the log as it was loaded. */
  constructor(sql: SqlStorage, batches: Batches, floor: number) {
    this.#sql = sql;
    this.#batches = batches;
    const oldest = batches.oldest();
    this.#isLeft = oldest !== undefined && oldest.last_sequence <= floor;
    this.#startBytes = oldest === undefined ? 0 : oldest.end_bytes - oldest.bytes;
  }

  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Bytes that were written before the first row that is left. */
  get startBytes(): number {
    return this.#startBytes;
  }

  /** The floor has risen to the end of a row or beyond it. */
  add(row: BatchHead): void {
    if (!this.#isLeft) {
      this.#isLeft = true;
      this.#startBytes = row.end_bytes - row.bytes;
    }
  }

  /** Deletes as much as one turn may. */
  sweep(floor: number): void {
    // One more than may be deleted, to see whether any is left.
    const rows = this.#batches.oldestThrough(floor, TURN.rows + 1).filter((row) => row.last_sequence <= floor);
    let bytes = 0;
    const some = rows.slice(0, TURN.rows).filter((row, index) => {
      bytes += row.bytes - row.hole_bytes;
      return index === 0 || bytes <= TURN.bytes;
    });
    const last = some.at(-1);
    if (last !== undefined) {
      this.#batches.deleteThrough(last.first_sequence);
      this.#startBytes = last.end_bytes;
    }
    this.#isLeft = some.length < rows.length || !this.#sweepHoles(floor);
  }

  /** @returns Whether none is left. */
  #sweepHoles(floor: number): boolean {
    if (!this.#hasHoles(floor)) {
      return true;
    }
    this.#sql.exec(
      "DELETE FROM holes WHERE sequence IN (SELECT sequence FROM holes WHERE sequence <= ? ORDER BY sequence LIMIT ?)",
      floor,
      TURN.holes,
    );
    return !this.#hasHoles(floor);
  }

  #hasHoles(floor: number): boolean {
    return this.#sql.exec("SELECT 1 FROM holes WHERE sequence <= ? LIMIT 1", floor).toArray().length > 0;
  }
}
