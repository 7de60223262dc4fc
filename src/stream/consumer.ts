import type { ConsumerConfig, ConsumerInfo } from "../../rpc/index.ts";
import { splitMessages } from "../message-text.ts";
import type { MessageText } from "../message-text.ts";
import { subjectMatcher } from "../subject.ts";
import type { SubjectMatcher } from "../subject.ts";

import { ConsumerCursor } from "./consumer-cursor.ts";
import type { Delivery, DeliverRequest, LostMessages } from "./cursor-types.ts";
import type { Log } from "./log.ts";
import type { StoredCursor } from "./stored-cursor.ts";
import type { Subscriber } from "./subscriber.ts";

/** What a filter passed over is written down this seldom: after a restart it is passed over again. */
const SAVE_AFTER_SEQUENCES = 10_000;
const SCAN_MESSAGES = 500;
const SCAN_BYTES = 1_048_576;

/** Who a consumer is; it does not change. */
export type ConsumerIdentity = { readonly id: number; readonly name: string; readonly config: ConsumerConfig };

/** One consumer in memory: its cursor, what its filter makes of the log, and who shares it. */
export class Consumer {
  readonly id: number;
  readonly name: string;
  readonly config: ConsumerConfig;
  readonly cursor: ConsumerCursor;
  /** By holder, in the order of whose turn it is. */
  readonly subscribers = new Map<string, Subscriber>();
  readonly #matches: SubjectMatcher | undefined;
  #savedVersion: number;
  #savedNext: number;
  /** How many new messages match a filter, up to where they were counted. */
  #counted: { through: number; count: number } | undefined;

  private constructor({ id, name, config }: ConsumerIdentity, cursor: ConsumerCursor) {
    this.id = id;
    this.name = name;
    this.config = config;
    this.cursor = cursor;
    this.#matches = config.filter === undefined ? undefined : subjectMatcher(config.filter);
    this.#savedVersion = cursor.version;
    this.#savedNext = cursor.nextSequence;
  }

  /** A consumer that has delivered nothing and starts at a sequence. */
  static create(identity: ConsumerIdentity, nextSequence: number): Consumer {
    return new Consumer(identity, new ConsumerCursor(identity.config, nextSequence));
  }

  static restore(identity: ConsumerIdentity, stored: StoredCursor): Consumer {
    return new Consumer(identity, ConsumerCursor.fromStored(identity.config, stored));
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

  /** Everything up to a sequence is going to be deleted from the log. */
  trim(through: number, log: Log): void {
    const { nextSequence } = this.cursor;
    const unread = nextSequence > through ? undefined : this.#newThrough(through, log);
    this.cursor.trim(through, unread);
    if (this.#counted !== undefined) {
      const isCounted = through <= this.#counted.through;
      this.#counted = isCounted ? { ...this.#counted, count: this.#counted.count - (unread?.total ?? 0) } : undefined;
    }
  }

  /** Single messages are going to be deleted from the log. */
  lose(messages: readonly MessageText[]): void {
    const sequences = this.matching(messages).map(({ sequence }) => sequence);
    const counted = this.#counted;
    if (counted !== undefined) {
      const { nextSequence } = this.cursor;
      counted.count -= sequences.filter((one) => one >= nextSequence && one <= counted.through).length;
    }
    this.cursor.lose(sequences);
  }

  /** Starts over at a sequence. */
  seek(nextSequence: number): void {
    this.cursor.seek(nextSequence);
    this.#counted = undefined;
  }

  /** How it stands; `deadLetters` are counted by who keeps them. */
  info(log: Log, deadLetters: number): ConsumerInfo {
    const { ackFloor, inFlight, waiting, redelivered, paused, lost } = this.cursor.info();
    return {
      consumer: this.name,
      config: this.config,
      ackFloor,
      pending: waiting + this.#countNew(log),
      inFlight,
      redelivered,
      deadLetters,
      ...(lost === undefined ? {} : { lost }),
      paused,
      subscriptions: this.subscribers.size,
    };
  }

  /** Counts new messages; with a filter it looks at each once, and only when somebody asks. */
  #countNew(log: Log): number {
    const { nextSequence } = this.cursor;
    if (this.#matches === undefined) {
      return log.countAbove(nextSequence - 1);
    }
    const { through, count } = this.#counted ?? { through: 0, count: 0 };
    const found = this.#scan(Math.max(through + 1, nextSequence), log.last, log);
    this.#counted = { through: log.last, count: count + (found?.total ?? 0) };
    return this.#counted.count;
  }

  /** The new messages up to a sequence; undefined when there are none. */
  #newThrough(through: number, log: Log): LostMessages | undefined {
    const from = Math.max(this.cursor.nextSequence, log.floor + 1);
    const to = Math.min(through, log.last);
    if (to < from) {
      return undefined;
    }
    const total = log.countAbove(from - 1) - log.countAbove(to);
    return this.#matches === undefined && total === to - from + 1 ? { from, to, total } : this.#scan(from, to, log);
  }

  #scan(from: number, to: number, log: Log): LostMessages | undefined {
    let found: LostMessages | undefined;
    for (let next = from; next <= to;) {
      const page = log.read(next, Math.min(SCAN_MESSAGES, to - next + 1), SCAN_BYTES);
      if (page.last < page.first) {
        return found;
      }
      const messages = this.matching(splitMessages(page.text));
      const [first, last] = [messages.at(0), messages.at(-1)];
      if (first !== undefined && last !== undefined) {
        found = {
          from: found?.from ?? first.sequence,
          to: last.sequence,
          total: (found?.total ?? 0) + messages.length,
        };
      }
      next = page.last + 1;
    }
    return found;
  }
}
