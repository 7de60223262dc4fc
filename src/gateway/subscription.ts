import { LIMITS } from "../../rpc/index.ts";
import type { GapNotification } from "../../rpc/index.ts";
import { joinMessages, utf8Bytes } from "../message-text.ts";
import type { MessageText } from "../message-text.ts";
import { subjectMatcher } from "../subject.ts";
import type { SubjectMatcher } from "../subject.ts";

import { notification } from "./notification.ts";
import { AckWindow } from "./ack-window.ts";
import type { StoredWindow } from "./ack-window.ts";
import type { MessageBatch } from "./message-batch.ts";
import { messagesFrame } from "./message-batch.ts";

/** What a subscription was asked to be; it does not change. */
export type SubscriptionSpec = {
  readonly id: number;
  readonly stream: string;
  readonly epoch: string;
  readonly filter: string | undefined;
  readonly maxInFlight: number;
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
};

/** Sends a frame to the subscription's client. */
export type SendFrame = (frame: string) => void;

/** Where a subscription starts: after a sequence, and not before a time that the log had not come to. */
export type StartPosition = { readonly sequence: number; readonly notBefore: number | undefined };

/** What survives an eviction in the socket's attachment: numbers only, `0` for no deadline and for no time. */
export type StoredSubscription = [
  id: number,
  cursor: number,
  deadlineAt: number,
  isBehind: 0 | 1,
  notBefore: number,
  ...StoredWindow,
];

/** What an overdue ack leads to. */
export type Overdue = "notYet" | "goBack" | "close";

/**
 * One socket following one stream, in order. It is a cursor and not a queue: messages are offered to it, it sends what
 * its window has room for, and what does not fit it asks for again by its cursor.
 */
export class Subscription {
  readonly spec: SubscriptionSpec;
  readonly #send: SendFrame;
  readonly #matches: SubjectMatcher | undefined;
  #window: AckWindow;
  /** The last sequence that was sent, did not match, or is gone. */
  #cursor: number;
  #deadlineAt: number | undefined;
  /** Nothing published before it is sent, in ms since the epoch; undefined once a later message was met. */
  #notBefore: number | undefined;

  constructor(spec: SubscriptionSpec, { sequence, notBefore }: StartPosition, send: SendFrame) {
    this.spec = spec;
    this.#send = send;
    this.#matches = spec.filter === undefined ? undefined : subjectMatcher(spec.filter);
    this.#cursor = sequence;
    this.#notBefore = notBefore;
    this.#window = new AckWindow(sequence);
  }

  /** Restores a subscription after an eviction. */
  static restore(
    spec: SubscriptionSpec,
    [, cursor, deadlineAt, , notBefore, ...window]: StoredSubscription,
    rest: { rounds: readonly number[]; send: SendFrame },
  ): Subscription {
    const start = { sequence: cursor, notBefore: notBefore === 0 ? undefined : notBefore };
    const subscription = new Subscription(spec, start, rest.send);
    subscription.#window = AckWindow.restore(window, rest.rounds);
    subscription.#deadlineAt = deadlineAt === 0 ? undefined : deadlineAt;
    return subscription;
  }

  /** @param isBehind Whether a replay is to go on after an eviction. */
  toStored(isBehind: boolean): StoredSubscription {
    const [deadlineAt, notBefore] = [this.#deadlineAt ?? 0, this.#notBefore ?? 0];
    return [this.spec.id, this.#cursor, deadlineAt, isBehind ? 1 : 0, notBefore, ...this.#window.toStored()];
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** How far earlier rounds of sending got, to be stored when one ends. */
  get rounds(): readonly number[] {
    return this.#window.rounds;
  }

  /** Whether it is known which messages are unacked: after an eviction it may be read again from the log. */
  get isCounted(): boolean {
    return this.#window.isCounted;
  }

  /** Where all unacked messages of this round lie. */
  get unackedRange(): { first: number; last: number } {
    return { first: this.#window.floor + 1, last: this.#window.previous };
  }

  /** Says what the log holds in the {@link unackedRange}. */
  recount(messages: readonly MessageText[]): void {
    const matches = this.#matches;
    const sent = matches === undefined ? messages : messages.filter((message) => matches(message.subject));
    this.#window.recount(sent.map((message) => message.sequence));
  }

  /** When an ack is overdue; undefined while nothing is in flight. */
  get deadlineAt(): number | undefined {
    return this.#deadlineAt;
  }

  /** How many more messages may be sent now. */
  get room(): number {
    return this.#window.bytes >= LIMITS.outgoingPauseBytes ? 0 : this.spec.maxInFlight - this.#window.count;
  }

  /** Whether a page is looked through for what is sent, so that more of it is read than there is room for. */
  get isFiltered(): boolean {
    return this.#matches !== undefined || this.#notBefore !== undefined;
  }

  /**
   * Takes what it has room for from a batch that holds, or begins after, the sequence next to the cursor. Sequences
   * that are not there any more are told as a gap.
   */
  offer(batch: MessageBatch, nowMs: number): void {
    this.#passEarly(batch);
    if (batch.first > this.#cursor + 1) {
      this.#tellGap(this.#cursor + 1, batch.first - 1, "trimmed");
    }
    const isNext = batch.first === this.#cursor + 1 && batch.isWhole && batch.count > 0;
    if (isNext && this.#matches === undefined && batch.count <= this.room) {
      this.#send(batch.frame(this.spec.id, this.spec.stream, this.#window.previous));
      this.#window.sent(batch.first, batch.last, batch.bytes);
      this.#cursor = batch.last;
    } else {
      this.#offerEach(batch);
    }
    this.#window.settle(this.#cursor);
    if (this.#window.count > 0) {
      this.#deadlineAt ??= nowMs + this.spec.ackWaitMs;
    }
  }

  /**
   * Everything up to `through` is done, which makes room.
   *
   * @returns False when no message that far was ever sent; nothing is changed then.
   */
  ack(through: number, nowMs: number): boolean {
    if (through > this.#window.highest) {
      return false;
    }
    if (this.#window.ack(through)) {
      // An ack of what an earlier round had sent spares sending it again.
      this.#cursor = Math.max(this.#cursor, through);
      this.#window.settle(this.#cursor);
      this.#deadlineAt = this.#window.count > 0 ? nowMs + this.spec.ackWaitMs : undefined;
    }
    return true;
  }

  /** The highest sequence that was ever sent. */
  get highest(): number {
    return this.#window.highest;
  }

  /**
   * Looks whether an ack is overdue. Then sending goes back to the ack floor, or is over when the first unacked
   * message was sent `maxDeliver` times.
   */
  expire(nowMs: number): Overdue {
    if (this.#deadlineAt === undefined || this.#deadlineAt > nowMs) {
      return "notYet";
    }
    if (this.#window.timesSent >= this.spec.maxDeliver) {
      return "close";
    }
    this.#window.goBack();
    this.#cursor = this.#window.floor;
    this.#deadlineAt = undefined;
    return "goBack";
  }

  /** Passes over what was published before the time at which it starts. It is done, as if it had never been. */
  #passEarly({ messages }: MessageBatch): void {
    const notBefore = this.#notBefore;
    if (notBefore === undefined) {
      return;
    }
    // Publish times never go back.
    const isMet = messages.some(({ publishedAt }) => publishedAt >= notBefore);
    const early = messages.findLast(({ publishedAt }) => publishedAt < notBefore);
    this.#notBefore = isMet ? undefined : notBefore;
    this.#cursor = Math.max(this.#cursor, early?.sequence ?? 0);
    this.#window.settle(this.#cursor);
  }

  /** Sends one by one what matches and has room, and tells what is missing between. */
  #offerEach(batch: MessageBatch): void {
    let matching: MessageText[] = [];
    for (const message of batch.messages) {
      if (message.sequence <= this.#cursor) {
        continue;
      }
      if (message.sequence > this.#cursor + 1) {
        this.#sendEach(matching);
        matching = [];
        this.#tellGap(this.#cursor + 1, message.sequence - 1, "deleted");
      }
      if (this.#matches === undefined || this.#matches(message.subject)) {
        if (matching.length >= this.room) {
          this.#sendEach(matching);
          return;
        }
        matching.push(message);
      }
      this.#cursor = message.sequence;
    }
    this.#sendEach(matching);
    if (batch.last > this.#cursor) {
      this.#tellGap(this.#cursor + 1, batch.last, "deleted");
    }
  }

  #sendEach(messages: readonly MessageText[]): void {
    const [first] = messages;
    if (first === undefined) {
      return;
    }
    this.#send(messagesFrame(this.spec.id, this.spec.stream, this.#window.previous, joinMessages(messages)));
    let run = { first: first.sequence, last: first.sequence, bytes: 0 };
    for (const { sequence, text } of messages) {
      if (sequence > run.last + 1) {
        this.#window.sent(run.first, run.last, run.bytes);
        run = { first: sequence, last: sequence, bytes: 0 };
      }
      run.last = sequence;
      run.bytes += utf8Bytes(text);
    }
    this.#window.sent(run.first, run.last, run.bytes);
  }

  #tellGap(from: number, to: number, reason: GapNotification["reason"]): void {
    this.#send(notification("gap", { subscription: this.spec.id, from, to, reason }));
    this.#cursor = to;
    // Told once, also when sending goes back.
    this.#window.settle(to);
  }
}
