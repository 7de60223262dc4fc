/** Rows of the table, by their first sequences: from the first on, before the second. */
export type RowRange = readonly [from: number, before: number];

/** A segment as it is stored. */
export type SegmentParts = {
  slots: ArrayBuffer;
  groups: ArrayBuffer;
  count: number;
  newestAt: number;
  through: number;
};

/** Rows of one group have so many ids together at least. */
const GROUP_IDS = 16;
const GROUP_BITS = 4;
/** Numbers kept of a group: the first sequence of its first row, when that was published, ids before it. */
const GROUP_WIDTH = 3;
/** How full the slots may become: so that a search ends soon. */
const FILL = 0.75;
const NONE: readonly RowRange[] = [];

/**
 * Ids that were stored one after the other, 5.5 to 13 bytes each: says in which rows an id may stand, and never misses one.
 *
 * A hash table with open addressing over digests of 32 bits. The highest bits choose the slot where a search begins, the
 * others stand in the slot, beside the number of a group of rows: whole rows, as many as it takes to have 16 ids. Groups
 * count from 1, so that 0 is a free slot. Nothing is taken out: a segment goes as a whole, when its newest id is too old.
 */
export class IdSegment {
  readonly #slots: Uint32Array<ArrayBuffer>;
  #groups: Float64Array<ArrayBuffer>;
  readonly #slotBits: number;
  #groupCount: number;
  #count: number;
  #newestAt: number;
  #through: number;
  #isStored: boolean;

  private constructor(parts: SegmentParts, groupCount: number, isStored: boolean) {
    this.#slots = new Uint32Array(parts.slots);
    this.#groups = new Float64Array(parts.groups);
    this.#slotBits = Math.log2(this.#slots.length);
    this.#groupCount = groupCount;
    this.#count = parts.count;
    this.#newestAt = parts.newestAt;
    this.#through = parts.through;
    this.#isStored = isStored;
  }

  /** An empty one, for so many ids at least. */
  static withRoomFor(ids: number): IdSegment {
    const slots = 2 ** Math.max(2 * GROUP_BITS, Math.ceil(Math.log2(ids / FILL)));
    const groups = ((slots * FILL) / GROUP_IDS + 1) * GROUP_WIDTH;
    const parts = {
      slots: new ArrayBuffer(slots * Uint32Array.BYTES_PER_ELEMENT),
      groups: new ArrayBuffer(groups * Float64Array.BYTES_PER_ELEMENT),
    };
    return new IdSegment({ ...parts, count: 0, newestAt: 0, through: 0 }, 0, false);
  }

  /** One that was stored. */
  static from(parts: SegmentParts): IdSegment {
    const groups = parts.groups.byteLength / Float64Array.BYTES_PER_ELEMENT / GROUP_WIDTH;
    return new IdSegment(parts, groups, true);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether the table has it; it takes no more ids then. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** The table has its parts now. Room for more groups is given back: rows of many ids leave most of it. */
  markStored({ groups }: SegmentParts): void {
    this.#isStored = true;
    this.#groups = new Float64Array(groups);
  }

  /** When its last id was published. */
  get newestAt(): number {
    return this.#newestAt;
  }

  /** The first sequence of its last row. */
  get through(): number {
    return this.#through;
  }

  /** What is to be stored. */
  get parts(): SegmentParts {
    const { count, newestAt, through } = this;
    const groups = this.#groups.slice(0, this.#groupCount * GROUP_WIDTH).buffer;
    return { slots: this.#slots.buffer, groups, count, newestAt, through };
  }

  hasRoomFor(ids: number): boolean {
    return !this.#isStored && this.#count + ids <= this.#slots.length * FILL;
  }

  /** The ids that are added next stand in this row, which is behind those before. */
  beginRow(firstSequence: number, publishedAt: number): void {
    if (this.#groupCount === 0 || this.#count - this.#startOf(this.#groupCount - 1) >= GROUP_IDS) {
      this.#groups.set([firstSequence, publishedAt, this.#count], this.#groupCount * GROUP_WIDTH);
      this.#groupCount += 1;
    }
    this.#newestAt = publishedAt;
    this.#through = firstSequence;
  }

  /** Adds an id, in place of one published before `sinceMs` where that is on its way: an id used again takes no room. */
  add(digest: number, sinceMs: number): void {
    const [groupBits, mask] = [this.#slotBits - GROUP_BITS, this.#slots.length - 1];
    let at = digest >>> (32 - this.#slotBits);
    for (let slot = this.#slots[at] ?? 0; slot !== 0; slot = this.#slots[at] ?? 0) {
      if (this.#newestOf((slot & ((1 << groupBits) - 1)) - 1) < sinceMs) {
        break;
      }
      at = (at + 1) & mask;
    }
    this.#slots[at] = (this.#fingerprint(digest) << groupBits) | this.#groupCount;
    this.#count += 1;
  }

  /** The rows that may have an id published at `sinceMs` or later, newest first. */
  rowsOf(digest: number, sinceMs: number): readonly RowRange[] {
    const [groupBits, mask, fingerprint] = [
      this.#slotBits - GROUP_BITS,
      this.#slots.length - 1,
      this.#fingerprint(digest),
    ];
    let groups: number[] | undefined;
    let at = digest >>> (32 - this.#slotBits);
    for (let slot = this.#slots[at] ?? 0; slot !== 0; slot = this.#slots[at] ?? 0) {
      const group = (slot & ((1 << groupBits) - 1)) - 1;
      if (slot >>> groupBits === fingerprint && this.#newestOf(group) >= sinceMs) {
        groups = [...(groups ?? []), group];
      }
      at = (at + 1) & mask;
    }
    return groups?.toSorted((a, b) => b - a).map((group) => this.#rowsOfGroup(group)) ?? NONE;
  }

  /**
   * Where the ids begin that were published at `sinceMs` or later: at number `count`, which was published at `publishedAt`,
   * or at one of those before that stand in `mixed`.
   */
  boundary(sinceMs: number): { count: number; publishedAt: number; mixed: RowRange | undefined } {
    let [low, high] = [0, this.#groupCount];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#publishedAtOf(middle) < sinceMs) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const mixed = low === 0 ? undefined : this.#rowsOfGroup(low - 1);
    return low === this.#groupCount
      ? { count: this.#count, publishedAt: this.#newestAt, mixed }
      : { count: this.#startOf(low), publishedAt: this.#publishedAtOf(low), mixed };
  }

  /** The bits of a digest that do not choose the slot. */
  #fingerprint(digest: number): number {
    return digest & ((1 << (32 - this.#slotBits)) - 1);
  }

  #rowsOfGroup(group: number): RowRange {
    const [from = 0, before = 0] = [group, group + 1].map((each) => this.#groups[each * GROUP_WIDTH]);
    return [from, group + 1 < this.#groupCount ? before : this.#through + 1];
  }

  #publishedAtOf(group: number): number {
    return this.#groups[group * GROUP_WIDTH + 1] ?? 0;
  }

  /** A time that no id of the group is younger than. */
  #newestOf(group: number): number {
    return group + 1 < this.#groupCount ? this.#publishedAtOf(group + 1) : this.#newestAt;
  }

  #startOf(group: number): number {
    return this.#groups[group * GROUP_WIDTH + 2] ?? 0;
  }
}
