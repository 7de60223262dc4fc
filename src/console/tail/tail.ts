import { DurableStreamError } from "../../../rpc/client.ts";
import type { DurableStream } from "../../../rpc/client.ts";
import type { GetMessagesResult } from "../../../rpc/index.ts";

import { LiveFeed, newEpochOf } from "./live-feed.ts";
import { PageReader } from "./page-reader.ts";
import type { ReadPage } from "./page-reader.ts";
import { PAGE_MESSAGES, readPrevious } from "./previous-page.ts";
import { RowWindow } from "./row-window.ts";
import { messagesOf, nextAfter, rowsOfPage } from "./rows.ts";
import type { EpochRow, Row } from "./rows.ts";

/** The most that is held: to be looked at, and of what came while somebody looks elsewhere. */
const MOST_SHOWN = { rows: 2_000, characters: 8_388_608 };
const MOST_HELD = { rows: 1_000, characters: 2_097_152 };

/** Reads in which a filter let nothing pass, at most, that are made without being asked for. */
const MOST_EMPTY_READS = 8;

/** Where to look. */
export type Place = "first" | "last" | { readonly sequence: number } | { readonly time: number };

/** What the reader sees of a tail besides its rows. */
export type TailState = {
  /** Messages that came while nobody followed, and are not among the rows. */
  readonly waiting: number;
  /** Messages that came by the subscription, in all. */
  readonly received: number;
  /** Whether what comes is added to the rows at once. */
  readonly isFollowing: boolean;
  readonly isPaused: boolean;
  /** Whether the next message that the stream gets stands behind the last row. */
  readonly isAtEnd: boolean;
  /** Whether all that came is held. */
  readonly isJoined: boolean;
  readonly isLoading: boolean;
  readonly hasPrevious: boolean;
  /** Where the search for what a filter lets pass has stopped: the first sequence that was looked at. */
  readonly lookedBackTo: number | undefined;
  /** Whether something was read: the stream is there. */
  readonly isOpen: boolean;
  /** Why no page could be read. */
  readonly error: Error | undefined;
  /** What ended the subscription. */
  readonly ending: Error | undefined;
};

type TailOptions = {
  readonly filter: string | undefined;
  /** Called with each change, which may be hundreds of times in a second. */
  readonly changed: () => void;
};

/**
 * A bounded part of a stream, and what comes behind it: read by pages in both directions, and at its end by a subscription.
 *
 * Whoever reads elsewhere is not disturbed: what comes meanwhile is kept apart up to a bound, and counted. Beyond the bound
 * it is only counted, and read from the stream when it is wanted. So nothing is missed that the stream still has.
 */
export class Tail {
  readonly #changed: () => void;
  readonly #isFiltered: boolean;
  readonly #reader: PageReader;
  readonly #feed: LiveFeed;
  readonly #window = new RowWindow(MOST_SHOWN);
  /** What came while nobody followed: stands behind the window. */
  readonly #held = new RowWindow(MOST_HELD);
  /** Whether the feed is further than the window and what is held: then it counts only. */
  #isBehind = false;
  #epoch: string | undefined;
  /** The first sequence that was looked at, and the one to be read next. */
  #start = 1;
  #next = 1;
  #isFirst = true;
  #step = PAGE_MESSAGES;
  #emptyReads = 0;
  #waiting = 0;
  #isFollowing = false;
  #isPaused = false;
  #ending: Error | undefined;

  constructor(client: DurableStream, stream: string, { filter, changed }: TailOptions) {
    const of = filter === undefined ? { stream } : { stream, filter };
    this.#changed = changed;
    this.#isFiltered = filter !== undefined;
    this.#reader = new PageReader(client, of, changed);
    this.#feed = new LiveFeed(client, of, {
      came: (areMany) => {
        if (areMany) {
          this.flush();
        }
        changed();
      },
      ended: (error) => this.#ended(error),
    });
  }

  get rows(): readonly Row[] {
    return this.#window.rows;
  }

  get state(): TailState {
    return {
      waiting: this.#waiting,
      received: this.#feed.received,
      isFollowing: this.#isFollowing,
      isPaused: this.#isPaused,
      isAtEnd: this.#feed.isOpen && !this.#isBehind && this.#held.length === 0,
      isJoined: this.#feed.isOpen && !this.#isBehind,
      isLoading: this.#reader.isBusy,
      hasPrevious: !this.#isFirst,
      lookedBackTo: this.#emptyReads >= MOST_EMPTY_READS ? this.#start : undefined,
      isOpen: this.#epoch !== undefined,
      error: this.#reader.error,
      ending: this.#ending,
    };
  }

  /** Reads around a place, and then leaves what is held. What is held stays when that can not be read. */
  open(place: Place): Promise<void> {
    this.#reader.stop();
    return this.#reader.run(async (read) => {
      // A page that has room for more than the last ones goes up to the end, whatever was deleted among them.
      const page = await (place === "last"
        ? read({ from: { last: PAGE_MESSAGES }, limit: 2 * PAGE_MESSAGES })
        : read({ from: place, limit: PAGE_MESSAGES }));
      this.#leave();
      this.#ending = undefined;
      this.#window.clear();
      this.#isFollowing = place === "last" && !this.#isPaused;
      this.#emptyReads = 0;
      this.#step = PAGE_MESSAGES;
      this.#begin(page, place);
    });
  }

  /** Ends the subscription, and whatever is pending. */
  close(): void {
    this.#reader.stop();
    this.#leave();
  }

  /** Puts what came into its place. Called before the rows are drawn; nothing is lost when it is not. */
  flush(): void {
    const rows = this.#feed.take();
    if (rows.length === 0) {
      return;
    }
    if (this.#isFollowing) {
      this.#append(rows);
      this.#next = nextAfter(rows, this.#next);
      return;
    }
    this.#waiting += messagesOf(rows);
    if (!this.#isBehind && this.#held.hasRoomFor(rows)) {
      this.#held.append(rows);
      this.#next = nextAfter(rows, this.#next);
    } else {
      this.#isBehind = true;
    }
  }

  /** The reader is at the end and wants to see what comes, or has gone elsewhere. */
  follow(isFollowing: boolean): void {
    if (isFollowing === this.#isFollowing || (isFollowing && this.#isPaused)) {
      return;
    }
    this.flush();
    this.#isFollowing = isFollowing;
    if (isFollowing) {
      this.#takeHeld();
      this.#waiting = 0;
      if (this.#isBehind) {
        this.#subscribe();
      }
    }
    this.#changed();
  }

  pause(): void {
    this.follow(false);
    this.#isPaused = true;
    this.#changed();
  }

  /** Goes on from where it was paused, with what came meanwhile. */
  resume(): void {
    this.#isPaused = false;
    this.follow(this.#feed.isOpen);
    this.#changed();
  }

  /** Reads what is before the first row. @param isAsked Whether somebody has asked, and does not just look there. */
  loadPrevious(isAsked = false): void {
    const epoch = this.rows[0]?.epoch ?? this.#epoch;
    this.#emptyReads = isAsked ? 0 : this.#emptyReads;
    if (this.#isFirst || epoch === undefined || !this.#mayRead(isAsked) || this.#emptyReads >= MOST_EMPTY_READS) {
      return;
    }
    void this.#reader.run(async (read) => {
      const where = { before: this.#start, epoch, step: this.#step, isFiltered: this.#isFiltered };
      const page = await readPrevious(read, where);
      this.flush();
      this.#emptyReads = page.rows.length === 0 ? this.#emptyReads + 1 : 0;
      this.#start = page.from;
      this.#isFirst = page.isFirst;
      this.#step = page.step;
      this.#cutEnd(this.#window.prepend(page.rows));
    });
  }

  /** Reads what is behind the last row, when that is not the end. */
  loadNext(isAsked = false): void {
    const isHeldBack = this.#isPaused && this.#feed.isOpen && !isAsked;
    if (this.#isFollowing || isHeldBack || this.#ending !== undefined || !this.#mayRead(isAsked)) {
      return;
    }
    const epoch = this.#epoch;
    if (this.#held.length > 0) {
      const rows = this.#held.shift(PAGE_MESSAGES);
      this.#waiting -= messagesOf(rows);
      this.#append(rows);
      this.#changed();
    } else if (epoch !== undefined && (this.#isBehind || !this.#feed.isOpen)) {
      void this.#reader.run(async (read) => {
        const from = this.#next;
        const page = await read({ from: { sequence: from }, epoch, limit: PAGE_MESSAGES });
        this.#waiting = Math.max(0, this.#waiting - page.messages.length);
        this.#appendPage(page, from);
        this.#joinEnd(page);
      });
    }
  }

  /** After the subscription has ended, or a page could not be read: tries once more. */
  goOn(): Promise<void> {
    if (this.#reader.error !== undefined) {
      return this.#reader.retry();
    }
    const { name } = this.#ending ?? {};
    this.#ending = undefined;
    if (name === "NotFound") {
      return this.#followNewEpoch("deleted", () => this.#subscribe());
    }
    this.#subscribe();
    this.#changed();
    return Promise.resolve();
  }

  #mayRead(isAsked: boolean): boolean {
    return !this.#reader.isBusy && (this.#reader.error === undefined || isAsked);
  }

  #begin(page: GetMessagesResult, place: Place): void {
    const { epoch, messages, nextSequence, lastSequence, skipped } = page;
    this.#epoch = epoch;
    const first = messages[0]?.sequence ?? nextSequence;
    const starts = {
      first: this.#isFiltered ? 1 : first,
      last: Math.min(Math.max(1, lastSequence - PAGE_MESSAGES + 1), first),
      time: first,
    };
    const start = typeof place === "string" ? starts[place] : "sequence" in place ? place.sequence : starts.time;
    this.#start = Math.min(start, skipped?.from ?? start);
    this.#isFirst = this.#start === 1 || place === "first";
    this.#appendPage(page, this.#start);
    this.#joinEnd(page);
  }

  #appendPage(page: GetMessagesResult, from: number): void {
    const end = Math.max(from, page.nextSequence);
    this.#append(rowsOfPage(page, { from, end, isFiltered: this.#isFiltered }));
    this.#next = end;
  }

  /** Adds rows behind the last one. What has to go at the beginning can be read again. */
  #append(rows: readonly Row[]): void {
    if (this.#window.append(rows).length > 0) {
      const [first] = this.rows;
      this.#start = first?.kind === "message" ? first.sequence : first?.kind === "gap" ? first.from : 1;
      // What was before another epoch is nowhere.
      this.#isFirst = first?.kind === "epoch" || first?.epoch !== this.#epoch;
      this.#emptyReads = 0;
    }
  }

  #takeHeld(): void {
    this.#append(this.#held.shift(this.#held.length));
  }

  /** Rows at the end have gone: they, and what is held behind them, are read again when they are wanted. */
  #cutEnd(gone: readonly Row[]): void {
    if (gone.length > 0) {
      this.#next = nextAfter(this.rows, this.#next);
      this.#held.clear();
      this.#isFollowing = false;
      this.#isBehind = this.#feed.isOpen;
      this.#waiting += this.#isBehind ? messagesOf(gone) : 0;
    }
  }

  /** Subscribes when a page has come up to the end of the stream, or when somebody waits for what comes. */
  #joinEnd({ nextSequence, lastSequence }: GetMessagesResult): void {
    if (nextSequence > lastSequence || this.#isFollowing) {
      this.#subscribe();
    }
  }

  /** Follows the stream from what is to be read next. */
  #subscribe(): void {
    this.#leave();
    if (this.#epoch !== undefined) {
      this.#feed.start({ sequence: this.#next, epoch: this.#epoch });
    }
  }

  #leave(): void {
    this.#feed.stop();
    this.#held.clear();
    this.#isBehind = false;
    this.#waiting = 0;
  }

  #ended(error: Error): void {
    const reason = newEpochOf(error);
    if (reason === undefined) {
      this.#ending = error;
      this.#changed();
    } else {
      void this.#followNewEpoch(reason, () => {
        this.#ending = error;
      });
    }
  }

  /** Goes on behind the last row with the stream of this name as it is now, from its first message. */
  #followNewEpoch(reason: EpochRow["reason"], unchanged: () => void): Promise<void> {
    this.#reader.stop();
    return this.#reader.run(async (read) => {
      const page = await this.#unlessGone(read({ from: { sequence: 1 }, limit: PAGE_MESSAGES }));
      if (page === undefined) {
        return;
      }
      if (page.epoch === this.#epoch) {
        unchanged();
        return;
      }
      this.#takeHeld();
      this.#epoch = page.epoch;
      this.#isFirst = true;
      this.#append([{ kind: "epoch", key: `${page.epoch}:epoch`, epoch: page.epoch, reason }]);
      this.#appendPage(page, 1);
      this.#joinEnd(page);
    });
  }

  /** A page; undefined when there is no such stream, which is then what ended this. */
  async #unlessGone(page: ReturnType<ReadPage>): Promise<GetMessagesResult | undefined> {
    try {
      return await page;
    } catch (error) {
      if (!(error instanceof DurableStreamError && error.name === "NotFound")) {
        throw error;
      }
      this.#ending = error;
      return undefined;
    }
  }
}
