import type { ProducerState } from "../../../rpc/index.ts";

import { newDigestKey } from "../id-digest.ts";
import type { ProducersRow } from "../schema.ts";
import { ProducerIndex } from "./producer-index.ts";
import { RUN_NUMBERS } from "./runs.ts";

/** Where a producer was. */
export type StoredState = ProducerState & { lastSequence: number; lastPublishedAt: number };

/** What a part tells of a producer. */
export type PartEntry = StoredState & {
  id: string;
  /** Of its runs those that older parts do not tell. */
  numbers: readonly number[];
  /** The part that tells the runs before; undefined when none does. */
  previous: number | undefined;
};

/** A part without its producers. */
export type PartHead = {
  part: number;
  /** How many producers it tells of. */
  producers: number;
  runs: number;
  /** When the first of them published last; later ones may tell that it published again. */
  oldestAt: number;
  /** When the last of them did. */
  newestAt: number;
  /** Whether a version without digests has written it. */
  isForeign: boolean;
};

/** A producer in a row: id, epoch, sequence, lastSequence, lastPublishedAt, the numbers of its runs, `previous`. */
type StoredEntry = [string, number, number, number, number, number[], number?];
/** The row that says nothing but `through`, once there are more parts than one. */
const HEAD_PART = 0;
const DIGEST_BYTES = 8;
/** Text of a part that is kept, at most: versions before wrote a million characters. */
const MOST_KEPT = 131_072;

/**
 * The table `producers`. Each part has what was new of producers when it was written, in the order of their numbers; an
 * entry stands for its producer as long as no later part has one.
 *
 * The first row says up to which sequence the parts tell all; it is the only part as long as that is small. Versions
 * before read it so: all rows in their order, a later entry in place of an earlier one.
 */
export class ProducerParts {
  readonly #sql: SqlStorage;
  /** Producers that publish by turns stand together. */
  #lastRead: { part: number; text: string } | undefined;
  /** In their order. */
  heads: PartHead[] = [];

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The sequence up to which the parts tell all; undefined when there is none. */
  through(): number | undefined {
    return this.#sql
      .exec<Pick<ProducersRow, "through">>("SELECT through FROM producers ORDER BY part LIMIT 1")
      .toArray()[0]?.through;
  }

  /** Reads the heads. @returns Which producers are in which part. */
  load(): ProducerIndex {
    const rows = this.#sql
      .exec<Omit<ProducersRow, "through" | "producers">>(
        "SELECT part, runs, oldest_at, newest_at, key_low, key_high, digests FROM producers ORDER BY part",
      )
      .toArray();
    const key = rows.find((row) => row.key_low !== null && row.key_high !== null);
    const index = new ProducerIndex(
      key === undefined ? newDigestKey() : { low: key.key_low ?? 0, high: key.key_high ?? 0 },
    );
    this.heads = [];
    for (const { part, runs, oldest_at: oldestAt, newest_at: newestAt, digests } of rows) {
      const isForeign = digests === null;
      const entries = isForeign ? this.entries(part) : [];
      entries.forEach(({ id }) => index.setPart(index.digest(id), part));
      const numbers = new Uint32Array(digests ?? new ArrayBuffer(0));
      for (let at = 0; at < numbers.length; at += 2) {
        index.setPart({ low: numbers[at] ?? 0, high: numbers[at + 1] ?? 0 }, part);
      }
      const producers = entries.length + numbers.length / 2;
      if (producers > 0) {
        this.heads.push({
          part,
          producers,
          runs: runs ?? 0,
          oldestAt: oldestAt ?? 0,
          newestAt: newestAt ?? Infinity,
          isForeign,
        });
      }
    }
    return index;
  }

  /** What a part tells of a producer. */
  find(part: number, id: string): PartEntry | undefined {
    const text = this.text(part);
    const start = `\n[${JSON.stringify(id)},`;
    const at = text.indexOf(start);
    if (at !== -1) {
      const end = text.indexOf("\n", at + 1);
      return entryOf(JSON.parse(text.slice(at, end).replace(/,$/, "")));
    }
    // Versions before wrote no lines.
    return text.startsWith("[\n") ? undefined : entriesOf(text).findLast((entry) => entry.id === id);
  }

  /** All that a part tells. */
  entries(part: number): PartEntry[] {
    return entriesOf(this.text(part));
  }

  /** The JSON text of a part; empty when there is none. */
  text(part: number): string {
    if (this.#lastRead?.part === part) {
      return this.#lastRead.text;
    }
    const [row] = this.#sql
      .exec<Pick<ProducersRow, "producers">>("SELECT producers FROM producers WHERE part = ?", part)
      .toArray();
    const text = row?.producers ?? "";
    this.#lastRead = text.length > MOST_KEPT ? undefined : { part, text };
    return text;
  }

  /** Writes a part behind those that there are, or the last one anew. */
  write(part: number, through: number, entries: readonly PartEntry[], index: ProducerIndex): void {
    const digests = new Uint32Array((entries.length * DIGEST_BYTES) / Uint32Array.BYTES_PER_ELEMENT);
    const head: PartHead = {
      part,
      producers: entries.length,
      runs: 0,
      oldestAt: Infinity,
      newestAt: 0,
      isForeign: false,
    };
    for (const [at, { id, numbers, lastPublishedAt }] of entries.entries()) {
      const digest = index.digest(id);
      index.setPart(digest, part);
      digests.set([digest.low, digest.high], at * 2);
      head.runs += numbers.length / RUN_NUMBERS;
      head.oldestAt = Math.min(head.oldestAt, lastPublishedAt);
      head.newestAt = Math.max(head.newestAt, lastPublishedAt);
    }
    this.#lastRead = undefined;
    this.heads = this.heads.filter((one) => one.part !== part);
    if (entries.length > 0) {
      this.heads.push(head);
    }
    this.#insert({
      part,
      through,
      runs: head.runs,
      oldest_at: entries.length === 0 ? 0 : head.oldestAt,
      newest_at: head.newestAt,
      key_low: index.key.low,
      key_high: index.key.high,
      digests: digests.buffer,
      producers: textOf(entries),
    });
  }

  /** The first row says nothing but up to where the others tell all. */
  writeHead(through: number, index: ProducerIndex): void {
    this.write(HEAD_PART, through, [], index);
  }

  delete(part: number): void {
    this.#lastRead = undefined;
    this.heads = this.heads.filter((one) => one.part !== part);
    this.#sql.exec("DELETE FROM producers WHERE part = ?", part);
  }

  #insert(row: ProducersRow): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO producers (part, through, runs, oldest_at, newest_at, key_low, key_high, digests, producers)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.part,
      row.through,
      row.runs,
      row.oldest_at,
      row.newest_at,
      row.key_low,
      row.key_high,
      row.digests,
      row.producers,
    );
  }
}

/** The ids and states of a part's text, without their runs. */
export function* statesOf(text: string): Generator<StoredState & { id: string }> {
  if (!text.startsWith("[\n")) {
    yield* entriesOf(text);
    return;
  }
  // Behind the line feed of the last entry is only the bracket that ends the text.
  for (let at = 1, end = at; at < text.length - 2; at = end) {
    end = text.indexOf("\n", at + 1);
    // The runs are the last array that begins in a line: they are plain numbers.
    const state = text.slice(at + 1, text.lastIndexOf(",[", end));
    const [id, epoch, sequence, lastSequence, lastPublishedAt]: StoredEntry = JSON.parse(`${state}]`);
    yield { id, epoch, sequence, lastSequence, lastPublishedAt };
  }
}

/** Characters that an entry takes at most, but for its runs. */
export function sizeOf(id: string): number {
  return id.length + 100;
}

function textOf(entries: readonly PartEntry[]): string {
  const lines = entries.map(({ id, epoch, sequence, lastSequence, lastPublishedAt, numbers, previous }) => {
    const stored: StoredEntry = [id, epoch, sequence, lastSequence, lastPublishedAt, [...numbers]];
    return `\n${JSON.stringify(previous === undefined ? stored : [...stored, previous])}`;
  });
  return `[${lines.join()}${lines.length === 0 ? "" : "\n"}]`;
}

function entriesOf(text: string): PartEntry[] {
  const stored: StoredEntry[] = text === "" ? [] : JSON.parse(text);
  return stored.map(entryOf);
}

function entryOf([id, epoch, sequence, lastSequence, lastPublishedAt, numbers, previous]: StoredEntry): PartEntry {
  return { id, epoch, sequence, lastSequence, lastPublishedAt, numbers, previous };
}
