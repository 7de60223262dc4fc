/** Fewer than this are not worth sweeping. */
const FEW = 64;

/**
 * A queue whose items may be given up while they wait. Those are passed over, and swept out often enough that no more
 * of them are held than of the others.
 */
export class CancellableQueue<Item> {
  readonly #isGone: (item: Item) => boolean;
  /** In order; from `#next` on. */
  #items: Item[] = [];
  #next = 0;
  #sweepAt = FEW;

  constructor(isGone: (item: Item) => boolean) {
    this.#isGone = isGone;
  }

  push(item: Item): void {
    if (this.#items.length >= this.#sweepAt) {
      this.#sweep();
    }
    this.#items.push(item);
  }

  /** Puts items before all others. */
  putBefore(items: readonly Item[]): void {
    this.#items = [...items, ...this.#items.slice(this.#next)];
    this.#next = 0;
    this.#sweep();
  }

  /** The first item that is not given up. */
  peek(): Item | undefined {
    let item = this.#items[this.#next];
    while (item !== undefined && this.#isGone(item)) {
      this.#next += 1;
      item = this.#items[this.#next];
    }
    return item;
  }

  /** Takes what {@link peek} finds. */
  take(): Item | undefined {
    const item = this.peek();
    this.#next += 1;
    // Now and then, so that taking one costs no shift of all.
    if (this.#next * 2 >= this.#items.length) {
      this.#sweep();
    }
    return item;
  }

  /** All that are not given up, in order. */
  items(): Item[] {
    this.#sweep();
    return [...this.#items];
  }

  clear(): void {
    this.#items = [];
    this.#sweep();
  }

  #sweep(): void {
    const next = this.#next;
    this.#items = this.#items.filter((item, index) => index >= next && !this.#isGone(item));
    this.#next = 0;
    this.#sweepAt = Math.max(FEW, this.#items.length * 2);
  }
}
