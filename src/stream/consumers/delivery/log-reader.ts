import { LIMITS } from "../../../../rpc/index.ts";
import { splitMessages } from "../../../internal/message-text.ts";
import type { MessageText } from "../../../internal/message-text.ts";
import type { MessageRange } from "../../../internal/calls.ts";
import type { CompiledFilter } from "../../../internal/subject.ts";
import type { Log } from "../../log/log.ts";

import { KeptPages } from "./kept-pages.ts";
import type { Page } from "./kept-pages.ts";

/** Most text that is read around one of several scattered messages, unless its row has more. */
const NEAR_BYTES = 65_536;

/** Most text of a page, unless its first row has more. */
const PAGE_BYTES = 131_072;

/** What a page has from a position on. */
type Part = Pick<Page, "first" | "last" | "messages">;

/**
 * Reads the log for consumers, and keeps the pages that were read last. A consumer takes a few messages at a time, as its
 * acks make room: each time would read and split a whole row. Consumers at the same place share a page.
 *
 * A message does not change, so a page stays right until single messages are deleted. Those below the floor of the log
 * are passed over.
 */
export class LogReader {
  readonly #log: Log;
  readonly #pages = new KeptPages();
  #bytesRead = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The last sequence of the log. */
  get last(): number {
    return this.#log.last;
  }

  /** How much text was read so far, of the log and of its index. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /**
   * The messages from a position on, as far as their page goes; undefined when the log ends before. Messages of which the
   * index says that they do not match a filter are passed over first, unless they stand in a page that is kept.
   *
   * @param wanted How many sequences are enough, if the log has to be read. A page is read ahead for one who goes on where
   *   another ended.
   */
  from(position: number, wanted: number, filter?: CompiledFilter): Part | undefined {
    const from = Math.max(position, this.#log.floor + 1);
    const { last: end } = this.#log;
    if (from > end) {
      return undefined;
    }
    let page = this.#pages.find(from);
    if (page === undefined) {
      const candidate = this.#candidate(from, end, filter);
      if (candidate > end) {
        return { first: from, last: end, messages: [] };
      }
      page = this.#pages.find(candidate) ?? this.#read(candidate, wanted);
    }
    this.#pages.use(page);
    return { first: from, last: page.last, messages: page.messages.slice(indexFrom(page.messages, from)) };
  }

  /**
   * The messages of scattered sequences, as far as they exist. Sequences close together are read as one page.
   *
   * @param enoughBytes When there are so many, no further page is read.
   * @returns Those that were not looked for are `unread`.
   */
  at(
    sequences: readonly number[],
    enoughBytes = Number.POSITIVE_INFINITY,
  ): { messages: MessageText[]; unread: ReadonlySet<number> } {
    const unread = new Set(sequences);
    const messages: MessageText[] = [];
    let bytes = 0;
    for (const sequence of sequences) {
      if (bytes >= enoughBytes) {
        break;
      }
      if (!unread.has(sequence)) {
        continue;
      }
      const page = this.#pages.find(sequence) ?? this.#readNear(sequence, unread);
      for (const message of page.messages) {
        if (unread.delete(message.sequence)) {
          messages.push(message);
          bytes += message.text.length;
        }
      }
      unread.forEach((one) => one >= page.first && one <= page.last && unread.delete(one));
      unread.delete(sequence);
    }
    return { messages, unread };
  }

  /** To be called before single messages are deleted. */
  forget(): void {
    this.#pages.clear();
  }

  #candidate(from: number, end: number, filter: CompiledFilter | undefined): number {
    if (filter === undefined) {
      return from;
    }
    const { sequence, size } = this.#log.subjects.firstCandidate(from, end, filter);
    this.#bytesRead += size;
    return sequence;
  }

  /** Reads as far as the wanted sequences are close together. */
  #readNear(sequence: number, wanted: ReadonlySet<number>): Page {
    let end = sequence;
    wanted.forEach((one) => (end = one < sequence + LIMITS.pageMessages ? Math.max(end, one) : end));
    return this.#split(this.#log.read(sequence, end - sequence + 1, NEAR_BYTES));
  }

  #read(from: number, wanted: number): Page {
    const goesOn = this.#pages.hasEnd(from - 1);
    return this.#split(this.#log.read(from, goesOn ? LIMITS.pageMessages : wanted, PAGE_BYTES));
  }

  #split({ first, last, bytes, text }: MessageRange): Page {
    this.#bytesRead += bytes;
    // A copy: a part of a row keeps the whole of it in memory.
    const messages = splitMessages(` ${text}`.slice(1));
    // Two bytes each when one is beyond Latin-1.
    return { first, last, bytes: bytes === text.length ? bytes : 2 * text.length, messages };
  }
}

/** The index of the first message at or above a sequence. */
function indexFrom(messages: readonly MessageText[], sequence: number): number {
  const index = messages.findIndex((message) => message.sequence >= sequence);
  return index === -1 ? messages.length : index;
}
