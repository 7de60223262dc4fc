import { gapRow, weightOf } from "./rows.ts";
import type { Row } from "./rows.ts";

/** The most that is held: rows, and characters of their texts. */
export type Bounds = { readonly rows: number; readonly characters: number };

/** A bounded run of rows, which stand one behind the other in the stream. */
export class RowWindow {
  readonly #most: Bounds;
  #rows: Row[] = [];
  #characters = 0;

  constructor(most: Bounds) {
    this.#most = most;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  get length(): number {
    return this.#rows.length;
  }

  hasRoomFor(rows: readonly Row[]): boolean {
    const { rows: most, characters } = this.#most;
    return this.#rows.length + rows.length <= most && this.#characters + weightOfAll(rows) <= characters;
  }

  clear(): void {
    this.#rows = [];
    this.#characters = 0;
  }

  /** Adds rows at the end. @returns Those that had to go from the beginning. */
  append(rows: readonly Row[]): readonly Row[] {
    const [first, ...rest] = rows;
    const last = this.#rows.at(-1);
    const joined = first !== undefined && last !== undefined ? oneGap(last, first) : undefined;
    if (joined !== undefined) {
      this.#take(this.#rows.splice(-1));
      this.#add([joined, ...rest], "push");
    } else {
      this.#add(rows, "push");
    }
    const most = this.#most;
    // Some more than need be, so that rows do not go one by one.
    let gone = this.#rows.length > most.rows ? this.#rows.length - Math.floor(most.rows * 0.9) : 0;
    let left = this.#characters - weightOfAll(this.#rows.slice(0, gone));
    for (; left > most.characters && gone < this.#rows.length - 1; gone += 1) {
      left -= weightOfAll(this.#rows.slice(gone, gone + 1));
    }
    return this.#take(this.#rows.splice(0, gone));
  }

  /** Adds rows at the beginning. @returns Those that had to go from the end. */
  prepend(rows: readonly Row[]): readonly Row[] {
    const [first] = this.#rows;
    const last = rows.at(-1);
    const joined = first !== undefined && last !== undefined ? oneGap(last, first) : undefined;
    if (joined !== undefined) {
      this.#take(this.#rows.splice(0, 1));
      this.#add([...rows.slice(0, -1), joined], "unshift");
    } else {
      this.#add(rows, "unshift");
    }
    let kept = Math.min(this.#rows.length, this.#most.rows);
    let left = this.#characters - weightOfAll(this.#rows.slice(kept));
    for (; left > this.#most.characters && kept > 1; kept -= 1) {
      left -= weightOfAll(this.#rows.slice(kept - 1, kept));
    }
    return this.#take(this.#rows.splice(kept));
  }

  /** Takes rows off the beginning. */
  shift(count: number): readonly Row[] {
    return this.#take(this.#rows.splice(0, count));
  }

  #add(rows: readonly Row[], how: "push" | "unshift"): void {
    // Another array: who draws the rows sees by that that they are others.
    this.#rows = how === "push" ? [...this.#rows, ...rows] : [...rows, ...this.#rows];
    this.#characters += weightOfAll(rows);
  }

  #take(rows: readonly Row[]): readonly Row[] {
    this.#characters -= weightOfAll(rows);
    return rows;
  }
}

function weightOfAll(rows: readonly Row[]): number {
  return rows.reduce((sum, row) => sum + weightOf(row), 0);
}

/** Two gaps that stand beside each other, as one. */
function oneGap(first: Row, second: Row): Row | undefined {
  return first.kind === "gap" && second.kind === "gap" && first.epoch === second.epoch && first.to + 1 >= second.from
    ? gapRow(first.epoch, Math.min(first.from, second.from), second.to)
    : undefined;
}
