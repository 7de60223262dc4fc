import { LIMITS } from "../../../rpc/index.ts";
import type { ProducerInfo, ProducerState, StoredRange } from "../../../rpc/index.ts";
import type { MessageRange } from "../../internal/calls.ts";
import type { DeletionWatcher, Log } from "../log/log.ts";
import type { RowOfProducers, StoredRun } from "../log/stored-runs.ts";

import { KnownProducers } from "./known-producers.ts";
import type { CachedProducer } from "./known-producers.ts";
import { forgetProducers } from "./forget.ts";
import { listProducers } from "./list.ts";
import { NewRows } from "./new-rows.ts";
import { PartWriter } from "./part-writer.ts";
import type { ProducerIndex } from "./producer-index.ts";
import { ProducerParts } from "./producer-parts.ts";
import { rangesOf, Runs } from "./runs.ts";

/** Rows of the log after which producers are written again: so many are read at most when the stream wakes. */
const ROWS_BETWEEN = 1_000;
/** Or so many runs, where a row has many: writing them takes some 10 ms. */
const RUNS_BETWEEN = 4_096;
/** Rows of the log that are read at once. */
const PAGE_ROWS = 100;

/**
 * Who publishes to the stream, how far each has come, and where its last messages are.
 *
 * A publish costs no row: what it stores stands in the row of its batch. Now and then, and before rows of the log are
 * dropped that say more, all that is new is written to a table of parts; the rows since then say the rest. In memory, from
 * the first use on, is an index that tells in which row each producer stands, and a bounded number of those that published
 * last. Mutators run within the caller's transaction.
 */
export class Producers implements DeletionWatcher {
  readonly #parts: ProducerParts;
  readonly #log: Log;
  readonly #windowMs: () => number;
  readonly #known = new KnownProducers();
  #index: ProducerIndex | undefined;
  /** The sequence up to which the parts tell all; undefined while the stream has had no producer. */
  #through: number | undefined;
  /** The rows after it, and how many runs they have. */
  #rows = new NewRows();
  #runs = 0;
  /** Nobody is forgotten before. */
  #forgetAt = 0;

  /** @param windowMs How long a producer is remembered after its last message. */
  constructor(sql: SqlStorage, log: Log, windowMs: () => number) {
    this.#parts = new ProducerParts(sql);
    this.#log = log;
    this.#windowMs = windowMs;
    this.#through = this.#parts.through();
    log.watchDeletions(this);
  }

  /** Where a producer is that published within its window; undefined for one that is not known. */
  find(id: string, nowMs: number): (ProducerState & { lastSequence: number; lastPublishedAt: number }) | undefined {
    const known = this.#knownOf(id);
    return known !== undefined && known.lastPublishedAt > this.#sinceMs(nowMs) ? known : undefined;
  }

  /** Where messages of a producer are that are stored; of those whose place is forgotten, that of its last one. */
  places(id: string, first: number, count: number): StoredRange[] {
    const known = this.#knownOf(id);
    if (known === undefined) {
      return [];
    }
    if (first >= known.runs.oldest || known.isWhole) {
      return rangesOf(known, first, count);
    }
    const runs = this.#readRuns(id, known.epoch, first);
    const ranges = rangesOf({ ...known, runs }, first, count);
    this.#known.put(id, { ...known, runs, isWhole: runs.oldest > first });
    return ranges;
  }

  /** How many more the stream may know. */
  room(nowMs: number): number {
    const index = this.#load();
    const sinceMs = this.#sinceMs(nowMs);
    if (index.size >= LIMITS.producers && sinceMs >= this.#forgetAt) {
      this.#forgetAt = forgetProducers({ parts: this.#parts, index, rows: this.#rows }, sinceMs);
    }
    return LIMITS.producers - index.size;
  }

  /** Those with an id after `after`, in the order of ids. */
  list(after: string | undefined, limit: number, nowMs: number): { producers: ProducerInfo[]; more: boolean } {
    this.#load();
    return listProducers(this.#parts, this.#newRows(), { after, limit, sinceMs: this.#sinceMs(nowMs) });
  }

  /** What is told of a producer. */
  info(id: string, nowMs: number): ProducerInfo | undefined {
    const known = this.find(id, nowMs);
    if (known === undefined) {
      return undefined;
    }
    const { epoch, sequence, lastSequence, lastPublishedAt } = known;
    return { producer: { id, epoch, sequence }, lastSequence, lastPublishedAt };
  }

  /**
   * Takes note of what the log has just appended, whoever published it.
   *
   * @param rows Those that were written.
   */
  appended(runs: readonly StoredRun[], rows: readonly MessageRange[]): void {
    if (this.#through === undefined && runs.length === 0) {
      return;
    }
    const isFirst = this.#through === undefined;
    this.#through ??= (rows[0]?.first ?? 1) - 1;
    // What is read from the log only now has these rows already.
    const isRead = this.#index === undefined;
    this.#load();
    if (!isRead) {
      this.#takeRows(runs, rows);
    }
    if (isFirst || this.#rows.count >= ROWS_BETWEEN || this.#runs >= RUNS_BETWEEN) {
      this.#write();
    }
  }

  beforeTrim(through: number): void {
    if (this.#through !== undefined && through > this.#through) {
      this.#load();
      this.#write();
    }
  }

  /** Rows stay when single messages of them go. */
  beforeDelete(): void {}

  #knownOf(id: string): CachedProducer | undefined {
    const known = this.#known.get(id);
    if (known !== undefined) {
      return known;
    }
    const read = this.#read(id);
    if (read !== undefined) {
      this.#known.put(id, read);
    }
    return read;
  }

  /** Reads where a producer is, without its runs. */
  #read(id: string): CachedProducer | undefined {
    const index = this.#load();
    const place = index.size === 0 ? undefined : index.find(index.digest(id));
    const rowFirst = place?.row === undefined ? undefined : this.#rows.firstSequence(place.row);
    if (rowFirst !== undefined) {
      const run = this.#log.runs.lastOf(id, rowFirst);
      return run && knownBy(run, run.publishedAt, new Runs([], run.first + run.count - 1), false);
    }
    const entry = place?.part === undefined ? undefined : this.#parts.find(place.part, id);
    if (entry === undefined) {
      return undefined;
    }
    const { epoch, sequence, lastSequence, lastPublishedAt } = entry;
    return { epoch, sequence, lastSequence, lastPublishedAt, runs: new Runs([], sequence), isWhole: false };
  }

  /** Reads the runs of a producer's epoch, from the one with a sequence on or from an older one. */
  #readRuns(id: string, epoch: number, first: number): Runs {
    const index = this.#load();
    let numbers: number[] = [];
    let last = 0;
    let part = index.find(index.digest(id))?.part;
    for (let oldest = Infinity; part !== undefined && oldest > first;) {
      const entry = this.#parts.find(part, id);
      const [entryFirst = Infinity] = entry?.numbers ?? [];
      const isBefore = numbers.length === 0 || entry?.sequence === oldest - 1;
      if (entry === undefined || entry.epoch !== epoch || !isBefore) {
        break;
      }
      last ||= entry.sequence;
      numbers = [...entry.numbers, ...numbers];
      [oldest, part] = [entryFirst, entry.previous];
    }
    let runs = new Runs(numbers, last);
    for (const row of this.#log.runs.of(id, this.#through ?? 0)) {
      for (const run of row.runs.filter((one) => one.id === id && one.epoch === epoch)) {
        runs = run.first === 1 ? new Runs([], 0) : runs;
        runs.add({ ...run, publishedAt: row.publishedAt });
      }
    }
    return runs;
  }

  #takeRows(runs: readonly StoredRun[], rows: readonly MessageRange[]): void {
    let run = 0;
    for (const { first: firstSequence, last, publishedAt } of rows) {
      const ofRow: StoredRun[] = [];
      // Each in the row that its last message is in.
      for (let next = runs[run]; next !== undefined && next.firstSequence + next.count - 1 <= last; next = runs[run]) {
        ofRow.push(next);
        run += 1;
      }
      this.#takeRow({ firstSequence, publishedAt, runs: ofRow });
    }
  }

  /** Takes note of a row of the log, which is behind all others. */
  #takeRow({ firstSequence, publishedAt, runs }: RowOfProducers): void {
    const index = this.#load();
    for (const run of runs) {
      const { id, epoch, first } = run;
      const before = first > 1 ? this.#known.get(id) : undefined;
      const isSame = before !== undefined && before.epoch === epoch;
      const kept = isSame ? before.runs : new Runs([], 0);
      kept.add({ ...run, publishedAt });
      this.#known.put(id, knownBy(run, publishedAt, kept, isSame ? before.isWhole : first === 1));
      index.setRow(index.digest(id), this.#rows.count);
    }
    this.#rows.add(firstSequence, publishedAt);
    this.#runs += runs.length;
  }

  /** Who was last heard then or before is forgotten. The log's clock counts as well: it does not go back. */
  #sinceMs(nowMs: number): number {
    return Math.max(nowMs, this.#log.lastPublishedAt) - this.#windowMs();
  }

  #load(): ProducerIndex {
    if (this.#index === undefined) {
      this.#index = this.#parts.load();
      for (const row of this.#newRows()) {
        this.#takeRow(row);
      }
    }
    return this.#index;
  }

  /** What the log says that no part tells yet. */
  *#newRows(): Generator<RowOfProducers> {
    let page: RowOfProducers[] = [];
    for (let after = this.#through; after !== undefined; after = page.at(-1)?.firstSequence) {
      page = this.#log.runs.after(after, PAGE_ROWS);
      yield* page;
    }
  }

  #write(): void {
    const index = this.#load();
    const through = this.#log.last;
    const writer = new PartWriter(this.#parts, index, { through, sinceMs: this.#sinceMs(0) });
    writer.shrink((id) => this.#knownOf(id), LIMITS.producerMessages);
    for (const { publishedAt, runs } of this.#newRows()) {
      runs.forEach((run) => writer.add(run, publishedAt));
    }
    writer.finish();
    index.clearRows();
    [this.#through, this.#rows, this.#runs] = [through, new NewRows(), 0];
  }
}

/** What a run says of its producer. */
function knownBy(
  { epoch, first, count, firstSequence }: StoredRun,
  lastPublishedAt: number,
  runs: Runs,
  isWhole: boolean,
): CachedProducer {
  return {
    epoch,
    sequence: first + count - 1,
    lastSequence: firstSequence + count - 1,
    lastPublishedAt,
    runs,
    isWhole,
  };
}
