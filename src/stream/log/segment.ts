import type { CompiledFilter } from "../../internal/subject.ts";
import type { SubjectsRow } from "../schema.ts";

/** A bit each in a small integer. */
const MOST_BLOCKS = 30;
/** A block ends with the message or row that makes it as large: what is read for a message that is looked for. */
const BLOCK_BYTES = 32_768;
/** A segment ends when its list of subjects is as long: many subjects, each with few messages. */
const MOST_SUBJECTS_TEXT = 131_072;
/** Of an entry of that list, beside the subject. */
const ENTRY_TEXT = 32;

/**
 * Where a subject is in a segment: its first and last message, counted from the segment's first sequence, how many it has,
 * and the blocks that they are in, a bit for each. What a subject with one message does not need is left out.
 */
type SubjectPlaces = [subject: string, first: number, last?: number, count?: number, blocks?: number];

type Places = { readonly first: number; last: number; count: number; blocks: number };

/** What of a segment matches a filter. */
export type SegmentMatch = {
  readonly first: number;
  readonly last: number;
  /** How many messages match, if none was deleted since. */
  readonly count: number;
  /** The first sequence from `from` on, within the segment, that may match. */
  readonly candidate: (from: number) => number | undefined;
};

/** Gathers the subjects of consecutive messages. */
export class SegmentBuilder {
  readonly first: number;
  #last: number;
  #rows = 0;
  #blockBytes = 0;
  /** The last sequences of the blocks that have ended. */
  readonly #ends: number[] = [];
  readonly #places = new Map<string, Places>();
  #subjectsText = 0;

  /** @param first Its first sequence. */
  constructor(first: number) {
    this.first = first;
    this.#last = first - 1;
  }

  get last(): number {
    return this.#last;
  }

  /** Whether another block, or another subject, is too much. */
  get isFull(): boolean {
    return this.#ends.length === MOST_BLOCKS || this.#subjectsText >= MOST_SUBJECTS_TEXT;
  }

  /** Whether any of its messages has one. */
  get hasSubjects(): boolean {
    return this.#places.size > 0;
  }

  /** How many times {@link end} was called. */
  get rows(): number {
    return this.#rows;
  }

  /** A message after the ones before. */
  add(sequence: number, subject: string): void {
    const [offset, block] = [sequence - this.first, 1 << this.#ends.length];
    const places = this.#places.get(subject);
    if (places === undefined) {
      // A copy: a part of a text keeps the whole of it in memory.
      this.#places.set(` ${subject}`.slice(1), { first: offset, last: offset, count: 1, blocks: block });
      this.#subjectsText += subject.length + ENTRY_TEXT;
    } else {
      places.last = offset;
      places.count += 1;
      places.blocks |= block;
    }
  }

  /** A row, or a message, ends with a sequence: so does the block that it makes full. */
  end(sequence: number, bytes: number): void {
    this.#last = sequence;
    this.#rows += 1;
    this.#blockBytes += bytes;
    if (this.#blockBytes >= BLOCK_BYTES) {
      this.#ends.push(sequence);
      this.#blockBytes = 0;
    }
  }

  /** What of it matches a filter; undefined when nothing does. */
  match(filter: CompiledFilter): SegmentMatch | undefined {
    return matchIn({ first: this.first, ends: this.#allEnds(), subjects: this.#subjects() }, filter);
  }

  toRow(): SubjectsRow {
    return {
      first_sequence: this.first,
      last_sequence: this.#last,
      blocks: JSON.stringify(this.#allEnds()),
      subjects: JSON.stringify(this.#subjects()),
    };
  }

  #allEnds(): number[] {
    return this.#ends.at(-1) === this.#last ? this.#ends : [...this.#ends, this.#last];
  }

  #subjects(): SubjectPlaces[] {
    return Array.from(this.#places, ([subject, { first, last, count, blocks }]) =>
      count === 1 ? [subject, first] : [subject, first, last, count, blocks],
    );
  }
}

/** What of a row matches a filter; undefined when nothing does. */
export function rowMatch(row: SubjectsRow, filter: CompiledFilter): SegmentMatch | undefined {
  // Written by toRow().
  const [ends, subjects]: [number[], SubjectPlaces[]] = [JSON.parse(row.blocks), JSON.parse(row.subjects)];
  return matchIn({ first: row.first_sequence, ends, subjects }, filter);
}

function matchIn(
  { first: start, ends, subjects }: { first: number; ends: readonly number[]; subjects: readonly SubjectPlaces[] },
  { matches }: CompiledFilter,
): SegmentMatch | undefined {
  let [first, last, count, blocks] = [Infinity, 0, 0, 0];
  for (const [subject, firstOf, lastOf = firstOf, countOf = 1, blocksOf] of subjects) {
    if (matches(subject)) {
      first = Math.min(first, start + firstOf);
      last = Math.max(last, start + lastOf);
      count += countOf;
      blocks |= blocksOf ?? 1 << ends.findIndex((end) => end >= start + firstOf);
    }
  }
  const candidate = (from: number) => {
    const index = from > last ? -1 : ends.findIndex((end, block) => end >= from && (blocks & (1 << block)) !== 0);
    return index === -1 ? undefined : Math.max(from, first, (ends[index - 1] ?? start - 1) + 1);
  };
  return count === 0 ? undefined : { first, last, count, candidate };
}
