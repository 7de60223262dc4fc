type Entry = { readonly sequence: number; readonly rank: number };

/**
 * Sequences ordered by a rank (a time, or the sequence itself), lowest first, equal ranks by sequence.
 *
 * A binary heap with the position of each sequence, so that any sequence is moved or removed in O(log n), and removed
 * ones take no space.
 */
export class SequenceQueue {
  readonly #heap: Entry[] = [];
  readonly #positions = new Map<number, number>();

  get size(): number {
    return this.#heap.length;
  }

  /** The sequence with the lowest rank. */
  get first(): number | undefined {
    return this.#heap[0]?.sequence;
  }

  /** Adds a sequence, or moves it to its new rank. */
  set(sequence: number, rank: number): void {
    const entry = { sequence, rank };
    const position = this.#positions.get(sequence);
    if (position === undefined) {
      this.#siftUp(entry, this.#heap.length);
    } else {
      this.#sift(entry, position);
    }
  }

  delete(sequence: number): void {
    const position = this.#positions.get(sequence);
    if (position === undefined) {
      return;
    }

    this.#positions.delete(sequence);
    const last = this.#heap.pop();
    if (last !== undefined && last.sequence !== sequence) {
      this.#sift(last, position);
    }
  }

  /** The first sequences in order, at most `limit`, none with a rank above `maxRank`; they stay in the queue. */
  firstUpTo(maxRank: number, limit: number): number[] {
    const taken: Entry[] = [];
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (taken.length >= limit || top.rank > maxRank) {
        break;
      }
      taken.push(top);
      this.delete(top.sequence);
    }

    for (const { sequence, rank } of taken) {
      this.set(sequence, rank);
    }
    return taken.map(({ sequence }) => sequence);
  }

  #sift(entry: Entry, position: number): void {
    const parent = this.#heap[parentOf(position)];
    if (position > 0 && parent !== undefined && precedes(entry, parent)) {
      this.#siftUp(entry, position);
    } else {
      this.#siftDown(entry, position);
    }
  }

  #siftUp(entry: Entry, start: number): void {
    let position = start;
    while (position > 0) {
      const parent = this.#heap[parentOf(position)];
      if (parent === undefined || precedes(parent, entry)) {
        break;
      }
      this.#place(parent, position);
      position = parentOf(position);
    }
    this.#place(entry, position);
  }

  #siftDown(entry: Entry, start: number): void {
    let position = start;
    for (;;) {
      const left = this.#heap[2 * position + 1];
      const right = this.#heap[2 * position + 2];
      const rightIsFirst = left !== undefined && right !== undefined && precedes(right, left);
      const child = rightIsFirst ? right : left;
      if (child === undefined || precedes(entry, child)) {
        break;
      }
      this.#place(child, position);
      position = 2 * position + (rightIsFirst ? 2 : 1);
    }
    this.#place(entry, position);
  }

  #place(entry: Entry, position: number): void {
    this.#heap[position] = entry;
    this.#positions.set(entry.sequence, position);
  }
}

function parentOf(position: number): number {
  return (position - 1) >> 1;
}

function precedes(a: Entry, b: Entry): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.sequence < b.sequence);
}
