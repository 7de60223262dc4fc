/** How many holes may stand between two marks, where somebody looks: SQLite takes some 50 µs to count them. */
const STRETCH = 2_048;
/** What is read of them at once, or first, to find a message near a place. */
const NEARBY = 32;

/** A sequence whose message was deleted singly, and how many bytes of its row that freed, or what was deleted with it. */
export type Hole = { readonly sequence: number; readonly bytes: number };

/** A sequence, and how many holes are above it. */
type Mark = { readonly sequence: number; readonly above: number };

/**
 * Sequences whose message was deleted singly: the table `holes`. Those at the floor or below are garbage.
 *
 * SQLite counts them one by one, and a stream may have millions. So memory keeps marks between which there are few; they
 * are made on the way to where somebody looks, and each hole is passed once for that.
 */
export class Holes {
  readonly #sql: SqlStorage;
  #floor: Mark;
  /** Above the floor, by sequence. The last one is the last hole, if there is any. */
  #marks: Mark[];

  constructor(sql: SqlStorage, floor: number) {
    this.#sql = sql;
    // SQLite knows how many rows a page has; only what is garbage is counted one by one.
    const { total, newest } = sql
      .exec<{ total: number; newest: number | null }>(
        "SELECT (SELECT COUNT(*) FROM holes) AS total, (SELECT MAX(sequence) FROM holes) AS newest",
      )
      .one();
    this.#floor = { sequence: floor, above: total - this.#countBetween(0, floor) };
    this.#marks = newest === null || newest <= floor ? [] : [{ sequence: newest, above: 0 }];
  }

  /** How many are above the floor. */
  get count(): number {
    return this.#floor.above;
  }

  /** The floor has risen, or is the same. */
  raiseFloor(floor: number): void {
    if (floor > this.#floor.sequence) {
      this.#floor = { sequence: floor, above: this.countAbove(floor) };
      this.#marks = this.#marks.filter(({ sequence }) => sequence > floor);
    }
  }

  /** How many are above a sequence that is not below the floor. */
  countAbove(sequence: number): number {
    const [before, after] = this.#around(sequence, (mark) => mark.sequence);
    if (after === undefined || after.above === before.above) {
      return after?.above ?? 0;
    }
    return sequence - before.sequence < after.sequence - sequence
      ? before.above - this.#countBetween(before.sequence, sequence)
      : after.above + this.#countBetween(sequence, after.sequence);
  }

  /** The sequence of a message, counted from 1 at the floor. */
  sequenceOf(message: number): number {
    const messagesThrough = ({ sequence, above }: Mark) =>
      sequence - this.#floor.sequence - (this.#floor.above - above);
    const [before, after] = this.#around(message, messagesThrough);
    let [found, behind] = [before.sequence + message - messagesThrough(before), before.sequence];
    for (let [left, limit] = [before.above - (after ?? before).above, NEARBY]; left > 0; left -= limit, limit *= 2) {
      for (const hole of this.#behind(behind, limit)) {
        if (hole > found) {
          return found;
        }
        found += 1;
        behind = hole;
      }
    }
    return found;
  }

  /** The first sequence that is none, from one on upwards or downwards; undefined behind a long stretch of them. */
  nearby(from: number, step: 1 | -1): number | undefined {
    const [compare, order] = step === 1 ? [">=", "ASC"] : ["<=", "DESC"];
    const query = `SELECT sequence FROM holes WHERE sequence ${compare} ? ORDER BY sequence ${order} LIMIT ?`;
    const holes = this.#sql.exec<{ sequence: number }>(query, from, NEARBY).toArray();
    const end = holes.findIndex(({ sequence }, index) => sequence !== from + step * index);
    return end === -1 && holes.length === NEARBY ? undefined : from + step * (end === -1 ? holes.length : end);
  }

  /** The first from `first` through `last`, above the floor; `last + 1` for none. */
  firstBetween(first: number, last: number): number {
    if (this.count === 0) {
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

  /**
   * How many bytes were freed behind a sequence through another one, where rows end. To add up a hundred thousand takes SQLite
   * some 10 ms.
   *
   * @returns Undefined when that is not told of one of them, which an earlier version has made.
   */
  bytesBetween(behind: number, through: number): number | undefined {
    const { bytes, untold } = this.#sql
      .exec<{ bytes: number; untold: number }>(
        `SELECT COALESCE(SUM(bytes), 0) AS bytes, COUNT(*) - COUNT(bytes) AS untold FROM holes
         WHERE sequence > ? AND sequence <= ?`,
        behind,
        through,
      )
      .one();
    return untold === 0 ? bytes : undefined;
  }

  /** Adds holes above the floor that are none yet, in ascending order. */
  add(holes: readonly Hole[]): void {
    this.#sql.exec(
      "INSERT INTO holes (sequence, bytes) SELECT value ->> 0, value ->> 1 FROM json_each(?)",
      JSON.stringify(holes.map(({ sequence, bytes }) => [sequence, bytes])),
    );
    const sequences = holes.map(({ sequence }) => sequence);
    const newest = Math.max(this.#marks.pop()?.sequence ?? 0, sequences.at(-1) ?? 0);
    this.#floor = { ...this.#floor, above: this.#floor.above + sequences.length };
    let below = 0;
    this.#marks = this.#marks.map(({ sequence, above }) => {
      while ((sequences[below] ?? Infinity) <= sequence) {
        below += 1;
      }
      return { sequence, above: above + sequences.length - below };
    });
    this.#marks.push({ sequence: newest, above: 0 });
  }

  /**
   * The marks around a place, with so few holes between them that these may be looked at. Nothing is after the last one.
   *
   * @param place Above the floor, or at it.
   * @param placeOf Where a mark is, as `place` says it; further up with its sequence.
   */
  #around(place: number, placeOf: (mark: Mark) => number): [before: Mark, after: Mark | undefined] {
    for (;;) {
      const found = this.#marks.findIndex((mark) => placeOf(mark) >= place);
      const index = found === -1 ? this.#marks.length : found;
      const [before = this.#floor, after] = [this.#marks[index - 1], this.#marks[index]];
      if (after === undefined || before.above - after.above <= STRETCH) {
        return [before, after];
      }
      const isNearBefore = place - placeOf(before) < placeOf(after) - place;
      this.#marks.splice(index, 0, isNearBefore ? this.#markAfter(before) : this.#markBefore(after));
    }
  }

  #markAfter({ sequence: behind, above }: Mark): Mark {
    const query = "SELECT sequence FROM holes WHERE sequence > ? ORDER BY sequence LIMIT 1 OFFSET ?";
    const { sequence } = this.#sql.exec<{ sequence: number }>(query, behind, STRETCH - 1).one();
    return { sequence, above: above - STRETCH };
  }

  #markBefore({ sequence: through, above }: Mark): Mark {
    const query = "SELECT sequence FROM holes WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1 OFFSET ?";
    const { sequence } = this.#sql.exec<{ sequence: number }>(query, through, STRETCH).one();
    return { sequence, above: above + STRETCH };
  }

  #behind(sequence: number, limit: number): number[] {
    const query = "SELECT sequence FROM holes WHERE sequence > ? ORDER BY sequence LIMIT ?";
    return this.#sql
      .exec<{ sequence: number }>(query, sequence, limit)
      .toArray()
      .map((hole) => hole.sequence);
  }

  #countBetween(behind: number, through: number): number {
    const query = "SELECT COUNT(*) AS count FROM holes WHERE sequence > ? AND sequence <= ?";
    return this.#sql.exec<{ count: number }>(query, behind, through).one().count;
  }
}
