import type { ConsumerConfig, ConsumerInfo } from "../../../rpc/index.ts";
import type { Start } from "../../internal/calls.ts";
import type { MessageText } from "../../internal/message-text.ts";
import { compileFilter } from "../../internal/subject.ts";
import type { CompiledFilter } from "../../internal/subject.ts";
import type { Log } from "../log/log.ts";

import { ConsumerCursor } from "./cursor/cursor.ts";
import type { StoredCursor } from "./cursor/stored.ts";
import type { DeadLetter, Delivery, DeliverRequest, LostMessages } from "./cursor/types.ts";
import type { UnsettledTotal } from "./cursor/unsettled-total.ts";
import type { Subscriber } from "./delivery/subscriber.ts";
import type { ScanRange } from "./scan.ts";

/**
 * A cursor that only passed over messages that do not match is written this seldom: a restart passes over them again.
 */
const SAVE_AFTER_SEQUENCES = 10_000;

/** A consumer's id, name and first config. */
export type ConsumerIdentity = { readonly id: number; readonly name: string; readonly config: ConsumerConfig };

/** One consumer in memory: its cursor, its filter, and its subscriptions. */
export class Consumer {
  readonly id: number;
  readonly name: string;
  readonly cursor: ConsumerCursor;
  /** By holder, in the order of their turns. */
  readonly subscribers = new Map<string, Subscriber>();
  #config: ConsumerConfig;
  #filter: CompiledFilter | undefined;
  #savedVersion: number;
  #savedNext: number;
  #storedRuns = 0;
  /** How many new messages match the filter, counted through a sequence. */
  #counted: { through: number; count: number } | undefined;
  /** What {@link nextDeadline} found last, of which version of the cursor. */
  #deadline = { version: -1, nowMs: 0, at: 0 };

  private constructor({ id, name, config }: ConsumerIdentity, cursor: ConsumerCursor) {
    this.id = id;
    this.name = name;
    this.cursor = cursor;
    this.#config = config;
    this.#filter = filterOf(config);
    this.#savedVersion = cursor.version;
    this.#savedNext = cursor.nextSequence;
  }

  /** A new consumer. @param total Of the consumers of its stream. */
  static create(identity: ConsumerIdentity, start: Start, total: UnsettledTotal): Consumer {
    return new Consumer(identity, new ConsumerCursor(identity.config, start, total));
  }

  static restore(identity: ConsumerIdentity, stored: StoredCursor, total: UnsettledTotal): Consumer {
    const consumer = new Consumer(identity, ConsumerCursor.fromStored(identity.config, stored, total));
    consumer.saved(stored);
    return consumer;
  }

  get config(): ConsumerConfig {
    return this.#config;
  }

  /** Changes the config, for the deliveries that follow. Returns the dead letters that this makes. */
  configure(config: ConsumerConfig, nowMs: number): DeadLetter[] {
    this.#config = config;
    this.#filter = filterOf(config);
    this.#counted = undefined;
    return this.cursor.configure(config, nowMs);
  }

  /** Whether the cursor has to be written before the commit. */
  get isChanged(): boolean {
    const { version, nextSequence } = this.cursor;
    return version !== this.#savedVersion || nextSequence >= this.#savedNext + SAVE_AFTER_SEQUENCES;
  }

  /** How many runs its cursor had when it was last written. */
  get storedRuns(): number {
    return this.#storedRuns;
  }

  /** To be called when the cursor was written. */
  saved({ runs }: StoredCursor): void {
    this.#storedRuns = runs.length;
    this.#savedVersion = this.cursor.version;
    this.#savedNext = this.cursor.nextSequence;
  }

  /**
   * The next time at which its cursor has to be looked at, as the cursor says; Infinity for none. Kept while the cursor is
   * unchanged: every change of a stream, and every call, asks all its consumers.
   */
  nextDeadline(nowMs: number): number {
    const { version } = this.cursor;
    const kept = this.#deadline;
    // The cursor leaves out what is due already. A clock that goes back makes it a deadline again.
    if (kept.version !== version || nowMs < kept.nowMs || nowMs >= kept.at) {
      this.#deadline = { version, nowMs, at: this.cursor.nextDeadline(nowMs) ?? Infinity };
    }
    return this.#deadline.at;
  }

  /** Its filter, if it has one; then more of the log is read than there is room for, because not all of it matches. */
  get filter(): CompiledFilter | undefined {
    return this.#filter;
  }

  /** The first of the messages that match, at most `limit`. */
  firstMatching(messages: readonly MessageText[], limit: number): readonly MessageText[] {
    const filter = this.#filter;
    if (filter === undefined) {
      return messages.slice(0, limit);
    }
    const found: MessageText[] = [];
    for (const message of messages) {
      if (found.length === limit) {
        break;
      }
      if (filter.matches(message.subject)) {
        found.push(message);
      }
    }
    return found;
  }

  /** Delivers messages, as the cursor does. */
  deliver(request: DeliverRequest): Delivery[] {
    const before = this.cursor.nextSequence;
    const deliveries = this.cursor.deliver(request);
    const counted = this.#counted;
    if (counted !== undefined && request.page !== undefined) {
      const end = Math.min(this.cursor.nextSequence - 1, counted.through);
      counted.count -= request.page.sequences.filter((sequence) => sequence >= before && sequence <= end).length;
    }
    return deliveries;
  }

  /** The new messages that the log has through a sequence; undefined when the cursor is past it. */
  newThrough(through: number, log: Log): ScanRange | undefined {
    const from = Math.max(this.cursor.nextSequence, log.floor + 1);
    return from > through ? undefined : { from, filter: this.#filter };
  }

  /**
   * To be called before all messages through a sequence are deleted from the log.
   *
   * @param unread What is lost of {@link newThrough}.
   */
  trim(through: number, unread: LostMessages | undefined): void {
    this.cursor.trim(through, unread);
    if (this.#counted !== undefined) {
      const isCounted = through <= this.#counted.through && unread?.totalIsEstimate !== true;
      const lost = unread?.total ?? 0;
      this.#counted = isCounted ? { ...this.#counted, count: this.#counted.count - lost } : undefined;
    }
  }

  /**
   * To be called before single messages are deleted. Delivered ones count as matching, even if the filter has changed.
   */
  lose(messages: readonly MessageText[]): void {
    const { nextSequence } = this.cursor;
    const matching = new Set(this.firstMatching(messages, Infinity));
    const sequences = messages
      .filter((message) => message.sequence < nextSequence || matching.has(message))
      .map(({ sequence }) => sequence);
    const counted = this.#counted;
    if (counted !== undefined) {
      counted.count -= sequences.filter((one) => one >= nextSequence && one <= counted.through).length;
    }
    this.cursor.lose(sequences);
  }

  /** Moves it to another position. */
  seek({ nextSequence, notBefore }: Start): void {
    this.cursor.seek(nextSequence, notBefore);
    this.#counted = undefined;
  }

  /** Passes over messages that were published before its start time, if it has one. */
  passEarly(log: Log): void {
    const { notBefore } = this.cursor;
    if (notBefore !== undefined) {
      this.cursor.passOver(log.sequenceAt(notBefore) - 1);
      if (log.lastPublishedAt >= notBefore) {
        this.cursor.started();
      }
    }
  }

  /** The new messages that were not counted yet; undefined without a filter, where the log knows the count. */
  uncounted(log: Log): ScanRange | undefined {
    const from = Math.max((this.#counted?.through ?? 0) + 1, this.cursor.nextSequence, log.floor + 1);
    return this.#filter === undefined || from > log.last ? undefined : { from, filter: this.#filter };
  }

  /** Adds the result of scanning {@link uncounted} through a sequence to the count. */
  counted(through: number, found: LostMessages | undefined): void {
    this.#counted = { through, count: (this.#counted?.count ?? 0) + (found?.total ?? 0) };
  }

  /** Its info; an estimate as long as there is something {@link uncounted}. */
  info(log: Log, deadLetters: number): Omit<ConsumerInfo, "epoch"> {
    const { ackFloor, inFlight, waiting, redelivered, paused, lost } = this.cursor.info();
    const unread = this.#filter ? (this.#counted?.count ?? 0) : log.countAbove(this.cursor.nextSequence - 1);
    return {
      consumer: this.name,
      config: this.#config,
      ackFloor,
      pending: waiting + unread,
      ...(this.uncounted(log) === undefined ? {} : { pendingIsEstimate: true }),
      inFlight,
      redelivered,
      deadLetters,
      ...(lost === undefined ? {} : { lost }),
      paused,
      subscriptions: this.subscribers.size,
    };
  }
}

function filterOf({ filter }: ConsumerConfig): CompiledFilter | undefined {
  return filter === undefined ? undefined : compileFilter(filter);
}
