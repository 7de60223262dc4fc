/** A count that only grows, and can be waited for. */
export class Milestones {
  #count = 0;
  readonly #waiting = new Map<() => void, number>();

  get count(): number {
    return this.#count;
  }

  reach(count: number): void {
    this.#count = Math.max(this.#count, count);
    for (const [resolve, until] of this.#waiting) {
      if (this.#count >= until) {
        this.#waiting.delete(resolve);
        resolve();
      }
    }
  }

  async whenReached(count: number): Promise<void> {
    if (this.#count < count) {
      await new Promise<void>((resolve) => this.#waiting.set(resolve, count));
    }
  }
}
