/** Sequences whose message was deleted singly: the table `holes`. Those at the floor or below are garbage. */
export class Holes {
  readonly #sql: SqlStorage;
  #floor: number;
  #count: number;

  constructor(sql: SqlStorage, floor: number) {
    this.#sql = sql;
    this.#floor = floor;
    this.#count = this.#countBetween(floor, Number.MAX_SAFE_INTEGER);
  }

  /** How many are above the floor. */
  get count(): number {
    return this.#count;
  }

  /** The floor has risen. */
  raiseFloor(floor: number): void {
    this.#count -= this.countBetween(this.#floor, floor);
    this.#floor = floor;
  }

  /** How many are above a sequence that is not below the floor, and through the last one of the log. */
  countAbove(sequence: number, last: number): number {
    const isNearFloor = sequence - this.#floor < last - sequence;
    return isNearFloor ? this.#count - this.countBetween(this.#floor, sequence) : this.countBetween(sequence, last);
  }

  /** The sequence that is so many messages above or below another one. */
  pass(from: number, messages: number, step: 1 | -1): number {
    let [at, missed] = [from, messages];
    // As many sequences as messages are missed, again for those of them that are holes.
    while (missed > 0) {
      const next = at + step * missed;
      missed = this.countBetween(Math.min(at, next), Math.max(at, next));
      at = next;
    }
    return at;
  }

  /** How many are behind a sequence and through another one, above the floor: a millisecond for some 30,000. */
  countBetween(behind: number, through: number): number {
    return this.#count === 0 || behind >= through ? 0 : this.#countBetween(behind, through);
  }

  /** The first from `first` through `last`, above the floor; `last + 1` for none. */
  firstBetween(first: number, last: number): number {
    if (this.#count === 0) {
      return last + 1;
    }
    const [hole] = this.#sql
      .exec<{ sequence: number }>(
        "SELECT sequence FROM holes WHERE sequence BETWEEN ? AND ? ORDER BY sequence LIMIT 1",
        first,
        last,
      )
      .toArray();
    return hole?.sequence ?? last + 1;
  }

  /** Those of the sequences that are none. */
  without(sequences: readonly number[]): number[] {
    return this.#sql
      .exec<{ value: number }>(
        "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT sequence FROM holes)",
        JSON.stringify(sequences),
      )
      .toArray()
      .map(({ value }) => value);
  }

  /** Adds sequences above the floor that are none yet. */
  add(sequences: readonly number[]): void {
    this.#sql.exec("INSERT INTO holes (sequence) SELECT value FROM json_each(?)", JSON.stringify(sequences));
    this.#count += sequences.length;
  }

  #countBetween(behind: number, through: number): number {
    const query = "SELECT COUNT(*) AS count FROM holes WHERE sequence > ? AND sequence <= ?";
    return this.#sql.exec<{ count: number }>(query, behind, through).one().count;
  }
}
