/** Sequences whose message was deleted singly: the table `holes`. Those at the floor or below are garbage. */
export class Holes {
  readonly #sql: SqlStorage;
  #count = 0;

  constructor(sql: SqlStorage, floor: number) {
    this.#sql = sql;
    this.#count = this.#countAbove(floor);
  }

  /** How many are above the floor. */
  get count(): number {
    return this.#count;
  }

  /** The floor has risen. */
  raiseFloor(floor: number): void {
    this.#count = this.countAbove(floor);
  }

  /** How many are above a sequence that is not below the floor. */
  countAbove(sequence: number): number {
    return this.#count === 0 ? 0 : this.#countAbove(sequence);
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

  #countAbove(sequence: number): number {
    return this.#sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM holes WHERE sequence > ?", sequence).one()
      .count;
  }
}
