/** A queue shorter than this is not swept. */
const FEW = 64;

/**
 * A queue whose items may be cancelled while they are in it. Cancelled items are skipped, and removed often enough that
 * they are at most half of the queue.
 */
export class CancellableQueue<Item> {
  readonly #isGone: (item: Item) => boolean;
  /** In order. Items before `#next` are taken. */
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

  /** The first item that is not cancelled. */
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
    // Only now and then: shifting the array for each item would cost its length each time.
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
