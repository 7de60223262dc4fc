import { LIMITS } from "../../../rpc/index.ts";
import type { ProducerInfo, ProducerState, StoredRange } from "../../../rpc/index.ts";
import type { DeletionWatcher, Log } from "../log/log.ts";
import type { StoredRun } from "../log/stored-runs.ts";
import type { ProducersRow } from "../schema.ts";

import { Runs } from "./runs.ts";

/** Rows of the log after which the producers are written again: so many are read at most when the stream wakes. */
const ROWS_BETWEEN = 1_000;
/** Text of one row, at most: production refuses a value of 2 MB. */
const ROW_CHARACTERS = 1_000_000;
/** Runs of all producers together, at most: some 5 MB. */
const MAX_RUNS = 200_000;

/** What a stream knows of a producer. */
export type KnownProducer = ProducerState & { lastSequence: number; lastPublishedAt: number; runs: Runs };

/** A producer in a row of the table: id, epoch, sequence, lastSequence, lastPublishedAt and the numbers of its runs. */
type StoredProducer = [string, number, number, number, number, number[]];

/**
 * Who publishes to the stream, how far each has come, and where its last messages are.
 *
 * A publish costs no row: what it stores stands in the row of its batch. All producers are written to a table of their
 * own now and then, and before rows of the log are dropped that say more than that; the rows since then say the rest.
 * Kept in memory from the first use on. Mutators run within the caller's transaction.
 */
export class Producers implements DeletionWatcher {
  readonly #sql: SqlStorage;
  readonly #log: Log;
  readonly #windowMs: () => number;
  #known: Map<string, KnownProducer> | undefined;
  #runs = 0;
  /** The sequence up to which the table says all; undefined while the stream has had no producer. */
  #through: number | undefined;
  #rowsSince = 0;

  /** @param windowMs How long a producer is remembered after its last message. */
  constructor(sql: SqlStorage, log: Log, windowMs: () => number) {
    this.#sql = sql;
    this.#log = log;
    this.#windowMs = windowMs;
    this.#through = sql
      .exec<Pick<ProducersRow, "through">>("SELECT through FROM producers LIMIT 1")
      .toArray()[0]?.through;
    log.watchDeletions(this);
  }

  /** A producer that published within its window; undefined for one that is not known. */
  find(id: string, nowMs: number): KnownProducer | undefined {
    const known = this.#load().get(id);
    return known !== undefined && known.lastPublishedAt > this.#sinceMs(nowMs) ? known : undefined;
  }

  /** How many more the stream may know. */
  room(nowMs: number): number {
    if (this.#load().size >= LIMITS.producers) {
      this.#forget(nowMs);
    }
    return LIMITS.producers - this.#load().size;
  }

  /** Those with an id after `after`, in the order of ids. */
  list(after: string | undefined, limit: number, nowMs: number): { producers: ProducerInfo[]; more: boolean } {
    this.#forget(nowMs);
    const ids = [...this.#load().keys()].filter((id) => after === undefined || id > after);
    const page = ids.toSorted((a, b) => (a < b ? -1 : 1)).slice(0, limit);
    const producers = page.flatMap((id) => this.#infoOf(id));
    return { producers, more: ids.length > page.length };
  }

  /** What is told of a producer. */
  info(id: string, nowMs: number): ProducerInfo | undefined {
    return this.find(id, nowMs) === undefined ? undefined : this.#infoOf(id)[0];
  }

  /**
   * Takes note of what the log has just appended, whoever published it.
   *
   * @param rows Rows that were written.
   */
  appended(runs: readonly StoredRun[], rows: number, publishedAt: number): void {
    if (this.#through === undefined && runs.length === 0) {
      return;
    }
    const known = this.#load();
    for (const { id, ...run } of runs) {
      this.#take(known, id, { ...run, publishedAt });
    }
    this.#rowsSince += rows;
    if (this.#through === undefined || this.#rowsSince >= ROWS_BETWEEN) {
      this.#write(publishedAt);
    }
  }

  beforeTrim(through: number): void {
    if (this.#through !== undefined && through > this.#through) {
      this.#load();
      this.#write(this.#log.lastPublishedAt);
    }
  }

  /** Rows stay when single messages of them go. */
  beforeDelete(): void {}

  #take(known: Map<string, KnownProducer>, id: string, run: Omit<StoredRun, "id"> & { publishedAt: number }): void {
    const { epoch, first, count, firstSequence, publishedAt } = run;
    const before = known.get(id);
    const runs = before !== undefined && before.epoch === epoch && first > 1 ? before.runs : new Runs([], 0);
    this.#runs -= before?.runs.size ?? 0;
    runs.add({ first, count, firstSequence, publishedAt });
    this.#runs += runs.size;
    const lastSequence = firstSequence + count - 1;
    known.set(id, { epoch, sequence: first + count - 1, lastSequence, lastPublishedAt: publishedAt, runs });
    this.#boundRuns(known);
  }

  /** Whoever has most runs forgets the older half of them: messages one at a time, between those of others. */
  #boundRuns(known: ReadonlyMap<string, KnownProducer>): void {
    while (this.#runs > MAX_RUNS) {
      const [most] = [...known.values()].toSorted((a, b) => b.runs.size - a.runs.size);
      const before = most?.runs.size ?? 0;
      most?.runs.halve();
      this.#runs -= before - (most?.runs.size ?? 0);
    }
  }

  #infoOf(id: string): ProducerInfo[] {
    const known = this.#load().get(id);
    if (known === undefined) {
      return [];
    }
    const { epoch, sequence, lastSequence, lastPublishedAt } = known;
    return [{ producer: { id, epoch, sequence }, lastSequence, lastPublishedAt }];
  }

  /** Who was last heard then or before is forgotten. The log's clock counts as well: it does not go back. */
  #sinceMs(nowMs: number): number {
    return Math.max(nowMs, this.#log.lastPublishedAt) - this.#windowMs();
  }

  #forget(nowMs: number): void {
    const sinceMs = this.#sinceMs(nowMs);
    for (const [id, { lastPublishedAt, runs }] of this.#load()) {
      if (lastPublishedAt <= sinceMs) {
        this.#load().delete(id);
        this.#runs -= runs.size;
      }
    }
  }

  #load(): Map<string, KnownProducer> {
    if (this.#known === undefined) {
      this.#known = new Map();
      for (const { producers } of this.#sql.exec<ProducersRow>("SELECT part, through, producers FROM producers")) {
        // Written by #write().
        const stored: StoredProducer[] = JSON.parse(producers);
        for (const [id, epoch, sequence, lastSequence, lastPublishedAt, numbers] of stored) {
          const runs = new Runs(numbers, sequence);
          this.#runs += runs.size;
          this.#known.set(id, { epoch, sequence, lastSequence, lastPublishedAt, runs });
        }
      }
      if (this.#through !== undefined) {
        const { rows, runs } = this.#log.runsAfter(this.#through);
        this.#rowsSince = rows;
        for (const { id, ...run } of runs) {
          this.#take(this.#known, id, run);
        }
      }
    }
    return this.#known;
  }

  /** Writes all producers, in as few rows as their size allows. */
  #write(nowMs: number): void {
    this.#forget(nowMs);
    const parts: string[] = [];
    let [part, characters]: [string[], number] = [[], 0];
    for (const [id, { epoch, sequence, lastSequence, lastPublishedAt, runs }] of this.#load()) {
      const stored: StoredProducer = [id, epoch, sequence, lastSequence, lastPublishedAt, [...runs.numbers]];
      const text = JSON.stringify(stored);
      if (characters + text.length > ROW_CHARACTERS && part.length > 0) {
        parts.push(`[${part.join()}]`);
        [part, characters] = [[], 0];
      }
      part.push(text);
      characters += text.length + 1;
    }
    parts.push(`[${part.join()}]`);
    this.#through = this.#log.last;
    this.#rowsSince = 0;
    for (const [index, text] of parts.entries()) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO producers (part, through, producers) VALUES (?, ?, ?)",
        index,
        this.#through,
        text,
      );
    }
    this.#sql.exec("DELETE FROM producers WHERE part >= ?", parts.length);
  }
}

/**
 * Where messages of a producer are that are stored already, in their order.
 *
 * @param known What the stream knows of it; its last message stands for those whose place is not known any more.
 */
export function rangesOf(known: KnownProducer, first: number, count: number): StoredRange[] {
  const { runs, lastSequence, lastPublishedAt } = known;
  const forgotten = Math.min(count, Math.max(0, runs.oldest - first));
  const about: StoredRange[] =
    forgotten === 0
      ? []
      : [
          {
            count: forgotten,
            firstSequence: lastSequence,
            publishedAt: lastPublishedAt,
            duplicate: true,
            approximate: true,
          },
        ];
  return [...about, ...runs.find(first + forgotten, count - forgotten)];
}
