/** The rows of the log that no part tells of yet, in their order: of each its first sequence and when it was published. */
export class NewRows {
  readonly #firstSequences: number[] = [];
  readonly #publishedAt: number[] = [];

  get count(): number {
    return this.#firstSequences.length;
  }

  add(firstSequence: number, publishedAt: number): void {
    this.#firstSequences.push(firstSequence);
    this.#publishedAt.push(publishedAt);
  }

  firstSequence(row: number): number | undefined {
    return this.#firstSequences[row];
  }

  publishedAt(row: number): number | undefined {
    return this.#publishedAt[row];
  }

  /** When the first row was published that was later than a time; undefined when there is none. */
  firstAfter(timeMs: number): number | undefined {
    return this.#publishedAt.find((publishedAt) => publishedAt > timeMs);
  }
}
