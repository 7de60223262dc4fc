import type { Row } from "./rows.ts";

/** Rows that are in the page beyond those that are seen, on each side. */
const BEYOND = 8;

/** The most rows in the page at once. */
const MOST_DRAWN = 100;

/** What is drawn: rows `from` to before `to`, and the heights of what is not drawn before and behind them. */
export type Slice = { readonly from: number; readonly to: number; readonly above: number; readonly below: number };

/** Where rows are that have heights of their own, of which most have the same. */
export class Layout {
  /** Of rows whose height is not the usual one. */
  readonly #heights = new Map<string, number>();
  #usual: number;
  #isMeasured = false;
  #rows: readonly Row[] = [];
  /** Of each row, and of the end. */
  #tops: Float64Array = new Float64Array(1);
  #isStale = true;

  constructor(usual: number) {
    this.#usual = usual;
  }

  get height(): number {
    return this.#topAt(this.#rows.length);
  }

  setRows(rows: readonly Row[]): void {
    if (rows !== this.#rows) {
      this.#rows = rows;
      this.#isStale = true;
      if (this.#heights.size > 2 * rows.length + MOST_DRAWN) {
        const kept = new Set(rows.map(({ key }) => key));
        for (const key of this.#heights.keys()) {
          if (!kept.has(key)) {
            this.#heights.delete(key);
          }
        }
      }
    }
  }

  /** Takes note of the height of a row as it was drawn. @returns Whether that is news. */
  measured(key: string, height: number, isUsual: boolean): boolean {
    const before = this.#heights.get(key) ?? this.#usual;
    if (Math.abs(before - height) < 0.5) {
      return false;
    }
    if (isUsual && !this.#isMeasured) {
      this.#usual = height;
      this.#heights.delete(key);
    } else {
      this.#heights.set(key, height);
    }
    this.#isMeasured ||= isUsual;
    this.#isStale = true;
    return true;
  }

  /** The view has another width: every row may have another height. */
  reset(): void {
    this.#heights.clear();
    this.#isMeasured = false;
    this.#isStale = true;
  }

  topOf(index: number): number {
    return this.#topAt(index);
  }

  bottomOf(index: number): number {
    return this.#topAt(index + 1);
  }

  /** The row at a height; the last one beyond it, and 0 when there is none. */
  indexAt(top: number): number {
    this.#place();
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#topAt(middle + 1) <= top) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return Math.max(0, Math.min(low, this.#rows.length - 1));
  }

  /** What is to be drawn so that the heights from `top` to `bottom` are filled. */
  slice(top: number, bottom: number): Slice {
    const count = this.#rows.length;
    const from = Math.max(0, this.indexAt(top) - BEYOND);
    const to = Math.min(count, this.indexAt(bottom) + 1 + BEYOND, from + MOST_DRAWN);
    return { from, to, above: this.#topAt(from), below: this.height - this.#topAt(to) };
  }

  #topAt(index: number): number {
    this.#place();
    return this.#tops[index] ?? 0;
  }

  #place(): void {
    if (!this.#isStale) {
      return;
    }
    this.#isStale = false;
    const tops = new Float64Array(this.#rows.length + 1);
    let top = 0;
    this.#rows.forEach(({ key }, index) => {
      top += this.#heights.get(key) ?? this.#usual;
      tops[index + 1] = top;
    });
    this.#tops = tops;
  }
}
