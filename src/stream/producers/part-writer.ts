import type { StoredRun } from "../log/stored-runs.ts";
import { sizeOf } from "./producer-parts.ts";
import type { PartEntry, PartHead, ProducerParts } from "./producer-parts.ts";
import type { ProducerIndex } from "./producer-index.ts";
import { RUN_NUMBERS, Runs } from "./runs.ts";

/** Text of one part, about: it is read as a whole for each producer that is looked up in it. */
const PART_CHARACTERS = 65_536;
/** The last part is written anew as long as it has less. */
const OPEN_CHARACTERS = 49_152;
const RUN_CHARACTERS = 34;
/** Runs of all producers together, at most; each entry counts as one more. */
const MOST_RUNS = 200_000;
/** What is left of the runs of a producer that has stored nothing since, when the part with them is dropped. */
const KEPT_RUNS = 8;
/** Parts of more producers are not looked through for whether they are needed. */
const FEW_PRODUCERS = 32;
/** So many parts more than were written are dropped at once. */
const DROPPED_PARTS = 2;

/** Where a producer is. */
type StateOf = (id: string) => { epoch: number; sequence: number } | undefined;

/** An entry that runs are added to. */
type OpenEntry = Omit<PartEntry, "numbers"> & { runs: Runs };

/**
 * Writes what was new of producers to parts: the last one again as long as it is small, and then further ones. Old parts
 * are dropped, the oldest first. Runs within a transaction, and is thrown away after it.
 */
export class PartWriter {
  readonly #parts: ProducerParts;
  readonly #index: ProducerIndex;
  readonly #through: number;
  readonly #sinceMs: number;
  #open = new Map<string, OpenEntry>();
  #characters = 0;
  #part = 0;
  #flushed = 0;

  /**
   * @param through The sequence up to which the parts tell all when this is done.
   * @param sinceMs Who published last then or before is forgotten.
   */
  constructor(parts: ProducerParts, index: ProducerIndex, { through, sinceMs }: { through: number; sinceMs: number }) {
    this.#parts = parts;
    this.#index = index;
    this.#through = through;
    this.#sinceMs = sinceMs;
    this.#begin();
    this.#takeForeign();
  }

  /** Adds what is stored of a producer behind all that was before. */
  add({ id, epoch, first, count, firstSequence }: StoredRun, publishedAt: number): void {
    const open = this.#open.get(id);
    const continues = first > 1;
    const isSame = open !== undefined && open.epoch === epoch && continues;
    const previous = continues && open === undefined ? this.#index.find(this.#index.digest(id))?.part : undefined;
    const runs = isSame ? open.runs : new Runs([], 0);
    const before = isSame ? runs.size : -sizeOf(id) / RUN_CHARACTERS;
    runs.add({ first, count, firstSequence, publishedAt });
    const [sequence, lastSequence] = [first + count - 1, firstSequence + count - 1];
    const state = { id, epoch, sequence, lastSequence, lastPublishedAt: publishedAt };
    this.#put({ ...state, runs, previous: isSame ? open.previous : previous });
    this.#grow((runs.size - before) * RUN_CHARACTERS);
  }

  /** Drops what is not needed any more, of the oldest parts; before anything is added. */
  shrink(stateOf: StateOf, kept: number): void {
    for (let dropped = 0; dropped < DROPPED_PARTS + this.#flushed; dropped += 1) {
      const [oldest, next] = this.#parts.heads;
      if (oldest === undefined || next === undefined || oldest.part === this.#part) {
        return;
      }
      const weight = this.#parts.heads.reduce((sum, { runs, producers }) => sum + runs + producers, 0);
      if (weight <= MOST_RUNS && !this.#isUseless(oldest, stateOf, kept)) {
        return;
      }
      this.#takeLast(oldest, KEPT_RUNS);
      this.#parts.delete(oldest.part);
    }
  }

  /** Writes what is left. */
  finish(): void {
    const isOnly = this.#parts.heads.every(({ part }) => part === this.#part);
    if (isOnly && this.#part === 0) {
      this.#write(0);
      return;
    }
    if (this.#open.size > 0) {
      this.#write(this.#part);
    }
    this.#parts.writeHead(this.#through, this.#index);
  }

  /** Goes on with the last part, if it is small. */
  #begin(): void {
    const last = this.#parts.heads.at(-1);
    if (last === undefined || last.isForeign) {
      this.#part = last === undefined || last.part === 0 ? 0 : last.part + 1;
      return;
    }
    const characters = this.#parts.text(last.part).length;
    const isSmall = characters < OPEN_CHARACTERS;
    this.#part = isSmall ? last.part : last.part + 1;
    if (isSmall || last.part === 0) {
      this.#takeLast(last, Infinity);
      this.#characters = characters;
    }
  }

  /** Versions before wrote parts of another size, and no digests. */
  #takeForeign(): void {
    for (const head of this.#parts.heads.filter(({ isForeign }) => isForeign)) {
      this.#takeLast(head, Infinity);
      this.#parts.delete(head.part);
    }
  }

  /** Takes the entries of a part that are the last of their producers, with so many of their runs. */
  #takeLast({ part }: PartHead, runs: number): void {
    const expired = [];
    for (const { numbers, ...entry } of this.#parts.entries(part)) {
      const digest = this.#index.digest(entry.id);
      const place = this.#index.find(digest);
      if (place?.part !== part || this.#open.has(entry.id)) {
        continue;
      }
      if (place.row === undefined && entry.lastPublishedAt <= this.#sinceMs) {
        expired.push(digest);
        continue;
      }
      const last = new Runs([...numbers], entry.sequence);
      last.keepNewest(runs);
      this.#put({ ...entry, runs: last });
      this.#grow(sizeOf(entry.id) + last.size * RUN_CHARACTERS);
    }
    this.#index.remove(expired);
  }

  /**
   * Whether nobody asks for what a part tells: its producers are forgotten, or have stored so many messages since, or are
   * of another epoch. What little it tells of one that has stored nothing since is taken on. Looks only at parts of few
   * producers, and at old ones.
   */
  #isUseless({ part, producers, newestAt }: PartHead, stateOf: StateOf, kept: number): boolean {
    if (producers > FEW_PRODUCERS && newestAt > this.#sinceMs) {
      return false;
    }
    return this.#parts.entries(part).every(({ id, epoch, sequence, lastPublishedAt, numbers, previous }) => {
      const place = this.#index.find(this.#index.digest(id));
      if (place === undefined) {
        return true;
      }
      if (place.part === part) {
        const isExpired = place.row === undefined && lastPublishedAt <= this.#sinceMs;
        return isExpired || (previous === undefined && numbers.length <= KEPT_RUNS * RUN_NUMBERS);
      }
      const state = stateOf(id);
      return state === undefined || state.epoch !== epoch || state.sequence - kept >= sequence;
    });
  }

  #put(entry: OpenEntry): void {
    this.#open.set(entry.id, entry);
  }

  #grow(characters: number): void {
    this.#characters += characters;
    if (this.#characters > PART_CHARACTERS) {
      // The first row is not for a part beside others.
      this.#part = Math.max(this.#part, 1);
      this.#write(this.#part);
      this.#part += 1;
      this.#flushed += 1;
      this.#open = new Map();
      this.#characters = 0;
    }
  }

  #write(part: number): void {
    const entries = [...this.#open.values()].map(({ runs, ...entry }): PartEntry => ({
      ...entry,
      numbers: runs.numbers,
    }));
    this.#parts.write(part, this.#through, entries, this.#index);
  }
}
