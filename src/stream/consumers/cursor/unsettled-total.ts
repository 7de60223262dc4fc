/**
 * Most unsettled messages of all consumers of a stream: each takes some 330 bytes of memory, and at worst a run of its own in a
 * stored cursor, which is written whole. A deletion that all consumers lose something by writes all of them.
 */
const MOST = 40_000;
/** So many each consumer may have whatever the others have. */
const LEAST_EACH = 200;
const CROWDED_PART = 0.9;

/** How many messages are unsettled at all consumers of a stream together. */
export class UnsettledTotal {
  readonly #most: number;
  readonly #leastEach: number;
  size = 0;

  constructor(most: number = MOST, leastEach: number = LEAST_EACH) {
    this.#most = most;
    this.#leastEach = leastEach;
  }

  /** Whether there are nearly as many as there may be. */
  get isCrowded(): boolean {
    return this.size >= CROWDED_PART * this.#most;
  }

  /** How many more there may be of a consumer that has so many. */
  roomFor(size: number): number {
    return Math.max(this.#most - this.size, this.#leastEach - size);
  }
}
