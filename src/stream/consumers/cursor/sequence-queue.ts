type Entry = { readonly sequence: number; readonly rank: number };

/** So many removed entries may stay, besides as many as there are others. */
const SPARE_ENTRIES = 64;

/**
 * Sequences ordered by a rank (a time, or the sequence itself), lowest first, equal ranks by sequence.
 *
 * A binary heap whose removed entries stay until they come first, or are more than half: to remove one costs O(1), and
 * to add one that comes last does too. To add any other, and to take the first, costs O(log n).
 */
export class SequenceQueue {
  #heap: Entry[] = [];
  /** The entry of each sequence; all others in the heap are removed ones. */
  readonly #entries = new Map<number, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** The sequence with the lowest rank. */
  get first(): number | undefined {
    return this.#top()?.sequence;
  }

  /** Adds a sequence, or moves it to its new rank. */
  set(sequence: number, rank: number): void {
    const entry = { sequence, rank };
    this.#entries.set(sequence, entry);
    this.#push(entry);
    this.#compact();
  }

  delete(sequence: number): void {
    if (this.#entries.delete(sequence)) {
      this.#compact();
    }
  }

  /** The first sequences in order, at most `limit`, none with a rank above `maxRank`; they stay in the queue. */
  firstUpTo(maxRank: number, limit: number): number[] {
    const taken: Entry[] = [];
    for (let top = this.#top(); top !== undefined; top = this.#top()) {
      if (taken.length >= limit || top.rank > maxRank) {
        break;
      }
      taken.push(top);
      this.#pop();
    }
    taken.forEach((entry) => this.#push(entry));
    return taken.map(({ sequence }) => sequence);
  }

  /** The first entry that was not removed. */
  #top(): Entry | undefined {
    let top = this.#heap[0];
    while (top !== undefined && this.#entries.get(top.sequence) !== top) {
      this.#pop();
      top = this.#heap[0];
    }
    return top;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let position = heap.length;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || precedes(parent, entry)) {
        break;
      }
      heap[position] = parent;
      position = above;
    }
    heap[position] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const entry = heap.pop();
    if (entry === undefined || heap.length === 0) {
      return;
    }
    let position = 0;
    for (;;) {
      const left = heap[2 * position + 1];
      const right = heap[2 * position + 2];
      const rightIsFirst = left !== undefined && right !== undefined && precedes(right, left);
      const child = rightIsFirst ? right : left;
      if (child === undefined || precedes(entry, child)) {
        break;
      }
      heap[position] = child;
      position = 2 * position + (rightIsFirst ? 2 : 1);
    }
    heap[position] = entry;
  }

  /** Drops removed entries when they are most of the heap. */
  #compact(): void {
    if (this.#heap.length > 2 * this.#entries.size + SPARE_ENTRIES) {
      // In order, an array is a heap.
      this.#heap = [...this.#entries.values()].toSorted((a, b) => (precedes(a, b) ? -1 : 1));
    }
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.sequence < b.sequence);
}
