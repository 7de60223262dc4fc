import { LIMITS } from "../../../rpc/index.ts";
import { digestOf } from "../id-digest.ts";
import type { DigestKey } from "../id-digest.ts";

/** A digest of 64 bits, with a key that nobody can guess: of the most ids there may be, no two have the same. */
export type Digest = { readonly low: number; readonly high: number };

/** Where the newest of a producer is told of: in a part of the table, and in one of the rows of the log since. */
export type Place = { readonly part: number | undefined; readonly row: number | undefined };

/** Numbers kept of a producer: its digest, and one more than its part and its row, 0 for none. */
const WIDTH = 4;
const LEAST_SLOTS = 64;
/** How full the slots may become, and by how much they grow then. */
const FILL = 0.8;
const GROWTH = 1.3;
/** As many slots as the most producers need. */
const FULL_SLOTS = Math.ceil(LIMITS.producers / FILL) + 1;

/**
 * Which producers a stream knows, and where each is told of: a hash table with open addressing over digests, 16 bytes a
 * slot. The ids stand in SQLite only.
 */
export class ProducerIndex {
  readonly key: DigestKey;
  #slots = LEAST_SLOTS;
  #numbers = new Uint32Array(LEAST_SLOTS * WIDTH);
  #size = 0;

  constructor(key: DigestKey) {
    this.key = key;
  }

  /** How many producers it has. */
  get size(): number {
    return this.#size;
  }

  digest(id: string): Digest {
    const { low, high } = this.key;
    return { low: digestOf(id, this.key), high: digestOf(id, { low: ~high, high: ~low }) };
  }

  /** Where a producer is; undefined for one that is not known. */
  find(digest: Digest): Place | undefined {
    const at = this.#placeOf(digest);
    const [part = 0, row = 0] = [this.#numbers[at + 2], this.#numbers[at + 3]];
    return part === 0 && row === 0
      ? undefined
      : { part: part === 0 ? undefined : part - 1, row: row === 0 ? undefined : row - 1 };
  }

  /** A producer is told of in a part. */
  setPart(digest: Digest, part: number): void {
    const at = this.#placeFor(digest);
    this.#numbers[at + 2] = part + 1;
  }

  /** A producer is told of in a row of the log. */
  setRow(digest: Digest, row: number): void {
    const at = this.#placeFor(digest);
    this.#numbers[at + 3] = row + 1;
  }

  /** What the rows tell stands in parts now. */
  clearRows(): void {
    for (let at = 3; at < this.#numbers.length; at += WIDTH) {
      this.#numbers[at] = 0;
    }
  }

  /** Forgets producers. */
  remove(digests: readonly Digest[]): void {
    if (digests.length > 0) {
      const places = new Set(digests.map((digest) => this.#placeOf(digest)));
      this.#rebuild(this.#slots, (at) => !places.has(at));
    }
  }

  /** Forgets producers by the row that they are told of last in. */
  removeRows(isGone: (row: number) => boolean): void {
    this.#rebuild(this.#slots, (at) => {
      const row = this.#numbers[at + 3] ?? 0;
      return row === 0 || !isGone(row - 1);
    });
  }

  /** Where the numbers of a producer begin, or those of the free slot where it would stand. */
  #placeOf({ low, high }: Digest): number {
    const numbers = this.#numbers;
    // The number of slots is no power of 2.
    let slot = Math.floor((low / 2 ** 32) * this.#slots);
    for (let at = slot * WIDTH; !this.#isFree(at); at = slot * WIDTH) {
      if (numbers[at] === low && numbers[at + 1] === high) {
        return at;
      }
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
    return slot * WIDTH;
  }

  /** The same, and a free slot becomes the producer's: the caller sets its part or its row. */
  #placeFor(digest: Digest): number {
    let at = this.#placeOf(digest);
    if (this.#isFree(at)) {
      if (this.#size + 1 > this.#slots * FILL) {
        const grown = Math.ceil(this.#slots * GROWTH);
        this.#rebuild(this.#slots < FULL_SLOTS ? Math.min(grown, FULL_SLOTS) : grown, () => true);
        at = this.#placeOf(digest);
      }
      this.#numbers[at] = digest.low;
      this.#numbers[at + 1] = digest.high;
      this.#size += 1;
    }
    return at;
  }

  #isFree(at: number): boolean {
    return this.#numbers[at + 2] === 0 && this.#numbers[at + 3] === 0;
  }

  #rebuild(slots: number, isKept: (at: number) => boolean): void {
    const before = this.#numbers;
    const kept: Uint32Array[] = [];
    for (let at = 0; at < before.length; at += WIDTH) {
      if (!this.#isFree(at) && isKept(at)) {
        kept.push(before.subarray(at, at + WIDTH));
      }
    }
    this.#slots = slots;
    this.#numbers = new Uint32Array(slots * WIDTH);
    this.#size = kept.length;
    for (const numbers of kept) {
      const [low = 0, high = 0] = numbers;
      this.#numbers.set(numbers, this.#placeOf({ low, high }));
    }
  }
}
