import type { ConsumerConfig, ConsumerInfo } from "../../../rpc/index.ts";
import type { Start } from "../../internal/calls.ts";
import type { MessageText } from "../../internal/message-text.ts";
import { subjectMatcher } from "../../internal/subject.ts";
import type { SubjectMatcher } from "../../internal/subject.ts";

import { ConsumerCursor } from "./cursor/cursor.ts";
import type { DeadLetter, Delivery, DeliverRequest } from "./cursor/types.ts";
import type { Log } from "../log/log.ts";
import type { ScanResult, ScanRange } from "../log/scan.ts";
import type { StoredCursor } from "./cursor/stored.ts";
import type { Subscriber } from "./subscriber.ts";

/** What a filter passed over is written down this seldom: after a restart it is passed over again. */
const SAVE_AFTER_SEQUENCES = 10_000;

/** Who a consumer is, and its config so far. */
export type ConsumerIdentity = { readonly id: number; readonly name: string; readonly config: ConsumerConfig };

/** One consumer in memory: its cursor, what its filter makes of the log, and who shares it. */
export class Consumer {
  readonly id: number;
  readonly name: string;
  readonly cursor: ConsumerCursor;
  /** By holder, in the order of whose turn it is. */
  readonly subscribers = new Map<string, Subscriber>();
  #config: ConsumerConfig;
  #matches: SubjectMatcher | undefined;
  #savedVersion: number;
  #savedNext: number;
  /** How many new messages match a filter, up to where they were counted. */
  #counted: { through: number; count: number } | undefined;

  private constructor({ id, name, config }: ConsumerIdentity, cursor: ConsumerCursor) {
    this.id = id;
    this.name = name;
    this.cursor = cursor;
    this.#config = config;
    this.#matches = matcherOf(config);
    this.#savedVersion = cursor.version;
    this.#savedNext = cursor.nextSequence;
  }

  /** A consumer that has delivered nothing. */
  static create(identity: ConsumerIdentity, { nextSequence, notBefore }: Start): Consumer {
    return new Consumer(identity, new ConsumerCursor(identity.config, nextSequence, notBefore));
  }

  static restore(identity: ConsumerIdentity, stored: StoredCursor): Consumer {
    return new Consumer(identity, ConsumerCursor.fromStored(identity.config, stored));
  }

  get config(): ConsumerConfig {
    return this.#config;
  }

  /** Goes on with another config, which counts for what comes next. Returns what died of it. */
  configure(config: ConsumerConfig, nowMs: number): DeadLetter[] {
    this.#config = config;
    this.#matches = matcherOf(config);
    this.#counted = undefined;
    return this.cursor.configure(config, nowMs);
  }

  /** Whether a restart would forget something that matters. */
  get isChanged(): boolean {
    const { version, nextSequence } = this.cursor;
    return version !== this.#savedVersion || nextSequence >= this.#savedNext + SAVE_AFTER_SEQUENCES;
  }

  /** The cursor was written as it stands. */
  saved(): void {
    this.#savedVersion = this.cursor.version;
    this.#savedNext = this.cursor.nextSequence;
  }

  /** Whether a page of the log is looked through for subjects, so that more of it is read than there is room for. */
  get isFiltered(): boolean {
    return this.#matches !== undefined;
  }

  matching(messages: readonly MessageText[]): readonly MessageText[] {
    const matches = this.#matches;
    return matches === undefined ? messages : messages.filter(({ subject }) => matches(subject));
  }

  /** Hands out messages, as the cursor does. */
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

  /** What is new up to a sequence; undefined when everything up to there was looked at. */
  newThrough(through: number): ScanRange | undefined {
    const { nextSequence } = this.cursor;
    return nextSequence > through ? undefined : { from: nextSequence, matches: this.#matches };
  }

  /**
   * Everything up to a sequence is going to be deleted from the log.
   *
   * @param unread What was found of {@link newThrough}.
   */
  trim(through: number, unread: ScanResult | undefined): void {
    this.cursor.trim(through, unread);
    if (this.#counted !== undefined) {
      const isCounted = through <= this.#counted.through;
      this.#counted = isCounted ? { ...this.#counted, count: this.#counted.count - (unread?.total ?? 0) } : undefined;
    }
  }

  /** Single messages are going to be deleted from the log; those handed out matched, whatever does now. */
  lose(messages: readonly MessageText[]): void {
    const { nextSequence } = this.cursor;
    const matching = new Set(this.matching(messages));
    const sequences = messages
      .filter((message) => message.sequence < nextSequence || matching.has(message))
      .map(({ sequence }) => sequence);
    const counted = this.#counted;
    if (counted !== undefined) {
      counted.count -= sequences.filter((one) => one >= nextSequence && one <= counted.through).length;
    }
    this.cursor.lose(sequences);
  }

  /** Starts over from another place. */
  seek({ nextSequence, notBefore }: Start): void {
    this.cursor.seek(nextSequence, notBefore);
    this.#counted = undefined;
  }

  /** Passes over what was published before the time at which it starts, if that was to come. */
  passEarly(log: Log): void {
    const { notBefore } = this.cursor;
    if (notBefore !== undefined) {
      this.cursor.passOver(log.sequenceAt(notBefore) - 1);
      if (log.lastPublishedAt >= notBefore) {
        this.cursor.started();
      }
    }
  }

  /** What is new, up to the end of the log, and was not counted yet; without a filter there is nothing to count. */
  uncounted(last: number): ScanRange | undefined {
    const from = Math.max((this.#counted?.through ?? 0) + 1, this.cursor.nextSequence);
    return this.#matches === undefined || from > last ? undefined : { from, matches: this.#matches };
  }

  /** Takes note of what was found of {@link uncounted}. */
  counted(last: number, found: ScanResult | undefined): void {
    this.#counted = { through: last, count: (this.#counted?.count ?? 0) + (found?.total ?? 0) };
  }

  /** How it stands, with everything {@link counted}; `deadLetters` are counted by who keeps them. */
  info(log: Log, deadLetters: number): Omit<ConsumerInfo, "epoch"> {
    const { ackFloor, inFlight, waiting, redelivered, paused, lost } = this.cursor.info();
    const unread = this.isFiltered ? (this.#counted?.count ?? 0) : log.countAbove(this.cursor.nextSequence - 1);
    return {
      consumer: this.name,
      config: this.#config,
      ackFloor,
      pending: waiting + unread,
      inFlight,
      redelivered,
      deadLetters,
      ...(lost === undefined ? {} : { lost }),
      paused,
      subscriptions: this.subscribers.size,
    };
  }
}

function matcherOf({ filter }: ConsumerConfig): SubjectMatcher | undefined {
  return filter === undefined ? undefined : subjectMatcher(filter);
}
