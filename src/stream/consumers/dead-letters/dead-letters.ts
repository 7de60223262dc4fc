import type { DeadLetterRow } from "../../schema.ts";

import type { DeadLetter } from "../cursor/types.ts";

/** Most dead letters that one turn of a call deletes or puts back: 1 to 2 ms of SQLite. */
const LETTERS_OF_TURN = 500;

/** What a turn has changed, and the sequence from which the next one goes on; undefined when there is none. */
export type LettersTurn = { readonly count: number; readonly next: number | undefined };

/** The table `dead_letters`. A dead letter stays when its message is deleted, and is deleted with its consumer. */
export class DeadLetters {
  readonly #sql: SqlStorage;
  /** Cached number of dead letters of a consumer: an ack of a consumer that has none runs no statement. */
  readonly #counts = new Map<number, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(consumer: number, letters: readonly DeadLetter[]): void {
    if (letters.length === 0) {
      return;
    }
    this.#counts.set(consumer, this.count(consumer) + letters.length);
    const rows = letters.map(({ sequence, deliveries, reason, deadAt }) => [sequence, deliveries, reason, deadAt]);
    this.#sql.exec(
      `INSERT INTO dead_letters (consumer, sequence, deliveries, reason, dead_at)
       SELECT ?, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`,
      consumer,
      JSON.stringify(rows),
    );
  }

  count(consumer: number): number {
    let count = this.#counts.get(consumer);
    if (count === undefined) {
      const query = "SELECT COUNT(*) AS count FROM dead_letters WHERE consumer = ?";
      count = this.#sql.exec<{ count: number }>(query, consumer).one().count;
      this.#counts.set(consumer, count);
    }
    return count;
  }

  /** Dead letters in order of sequence. */
  read(consumer: number, from: number, limit: number): DeadLetter[] {
    return this.#sql
      .exec<DeadLetterRow>(
        `SELECT sequence, deliveries, reason, dead_at FROM dead_letters
         WHERE consumer = ? AND sequence >= ? ORDER BY sequence LIMIT ?`,
        consumer,
        from,
        limit,
      )
      .toArray()
      .map(({ dead_at: deadAt, ...letter }) => ({ ...letter, deadAt }));
  }

  /** Those of the sequences that are dead letters, in order. */
  among(consumer: number, sequences: readonly number[]): number[] {
    return this.#sql
      .exec<{ sequence: number }>(
        `SELECT sequence FROM dead_letters
         WHERE consumer = ? AND sequence IN (SELECT value FROM json_each(?)) ORDER BY sequence`,
        consumer,
        JSON.stringify(sequences),
      )
      .toArray()
      .map(({ sequence }) => sequence);
  }

  /** The sequences of the first dead letters from one on, as many as one turn may change. */
  someFrom(consumer: number, from: number): { sequences: number[]; next: LettersTurn["next"] } {
    const sequences = this.read(consumer, from, LETTERS_OF_TURN).map(({ sequence }) => sequence);
    const last = sequences.at(-1) ?? 0;
    return { sequences, next: sequences.length < LETTERS_OF_TURN ? undefined : last + 1 };
  }

  /** Deletes the dead letters of some sequences; returns how many there were. */
  delete(consumer: number, sequences: readonly number[]): number {
    const count = this.count(consumer);
    if (count === 0 || sequences.length === 0) {
      return 0;
    }
    const deleted = this.#sql
      .exec(
        "DELETE FROM dead_letters WHERE consumer = ? AND sequence IN (SELECT value FROM json_each(?)) RETURNING 1",
        consumer,
        JSON.stringify(sequences),
      )
      .toArray().length;
    this.#counts.set(consumer, count - deleted);
    return deleted;
  }

  /** Deletes the first dead letters from a sequence on, as many as one turn may. */
  deleteSome(consumer: number, from: number): LettersTurn {
    if (this.count(consumer) === 0) {
      return { count: 0, next: undefined };
    }
    const { sequences, next } = this.someFrom(consumer, from);
    return { count: this.delete(consumer, sequences), next };
  }

  /** Deletes all dead letters from a sequence on. Where there may be many, most go by {@link deleteSome} before. */
  deleteFrom(consumer: number, sequence: number): void {
    for (let next: LettersTurn["next"] = sequence; next !== undefined;) {
      ({ next } = this.deleteSome(consumer, next));
    }
  }
}
