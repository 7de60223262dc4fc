import { LIMITS } from "../../../rpc/index.ts";
import type { GapNotification } from "../../../rpc/index.ts";
import type { Page, Push } from "../../internal/calls.ts";
import type { Seen } from "../../internal/epoch.ts";
import { joinMessages, utf8Bytes } from "../../internal/message-text.ts";
import type { MessageText } from "../../internal/message-text.ts";
import { subjectMatcher } from "../../internal/subject.ts";
import type { SubjectMatcher } from "../../internal/subject.ts";

import { notification } from "../notification.ts";
import { AckWindow } from "./ack-window.ts";
import type { StoredWindow } from "./ack-window.ts";
import type { MessageBatch } from "../message-batch.ts";
import { messagesFrame } from "../message-batch.ts";

/** What a subscription was asked to be; it does not change. */
export type StreamSubscriptionSpec = {
  readonly id: number;
  readonly stream: string;
  /** The stream's name as the client says it. */
  readonly name: string;
  readonly epoch: string;
  readonly filter: string | undefined;
  readonly maxInFlight: number;
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
};

/** Sends a frame to the subscription's client. */
export type SendFrame = (frame: string) => void;

/** The message before the first that a subscription gets; and the time it starts at, if no message was that late yet. */
export type StartPosition = Seen & { readonly notBefore: number | undefined };

/**
 * What survives an eviction in the socket's attachment: numbers only, `0` for no deadline and for no time. It grows at its
 * end.
 */
export type StoredStreamSubscription = [
  id: number,
  cursor: number,
  deadlineAt: number,
  isBehind: 0 | 1,
  /** When the message at the cursor was published; 0 when that is not known. */
  cursorAt: number,
  notBefore: number,
  ...StoredWindow,
];

/** How many numbers a {@link StoredStreamSubscription} has at least, whichever version wrote it. */
export const STORED_STREAM_NUMBERS = 10;

/** What is to be done about the oldest unacked message: nothing, send again from the ack floor, or end. */
export type Overdue = "notYet" | "goBack" | "close";

/**
 * One socket following one stream, in order. It is a cursor and not a queue: it sends those of the messages offered to it
 * for which its window has room; the others are read again later, from its cursor on.
 */
export class StreamSubscription {
  readonly spec: StreamSubscriptionSpec;
  readonly #send: SendFrame;
  readonly #matches: SubjectMatcher | undefined;
  #window: AckWindow;
  /** The last sequence that was sent, did not match, or is gone. */
  #cursor: number;
  #deadlineAt: number | undefined;
  /** The furthest message it saw: a log that was restored to before it has another one, or none, in its place. */
  #seen: Seen;
  #isForked = false;
  /** Messages published before this time (ms since the epoch) are skipped; undefined once a later one was met. */
  #notBefore: number | undefined;

  constructor(spec: StreamSubscriptionSpec, { notBefore, ...seen }: StartPosition, send: SendFrame) {
    this.spec = spec;
    this.#send = send;
    this.#matches = spec.filter === undefined ? undefined : subjectMatcher(spec.filter);
    this.#cursor = seen.sequence;
    this.#seen = seen;
    this.#notBefore = notBefore;
    this.#window = new AckWindow(seen.sequence);
  }

  /** Restores a subscription after an eviction. */
  static restore(
    spec: StreamSubscriptionSpec,
    [, cursor, deadlineAt, , cursorAt, notBefore, ...window]: StoredStreamSubscription,
    rest: { rounds: readonly number[]; send: SendFrame },
  ): StreamSubscription {
    const start = { sequence: cursor, publishedAt: cursorAt, notBefore: notBefore === 0 ? undefined : notBefore };
    const subscription = new StreamSubscription(spec, start, rest.send);
    subscription.#window = AckWindow.restore(window, rest.rounds);
    if (subscription.highest > cursor) {
      subscription.#seen = { sequence: subscription.highest, publishedAt: 0 };
    }
    subscription.#deadlineAt = deadlineAt === 0 ? undefined : deadlineAt;
    return subscription;
  }

  /** @param isBehind Whether a replay is to go on after an eviction. */
  toStored(isBehind: boolean): StoredStreamSubscription {
    const [deadlineAt, notBefore] = [this.#deadlineAt ?? 0, this.#notBefore ?? 0];
    const cursorAt = this.#seen.sequence === this.#cursor ? this.#seen.publishedAt : 0;
    const place = [this.spec.id, this.#cursor, deadlineAt, isBehind ? 1 : 0, cursorAt, notBefore] as const;
    return [...place, ...this.#window.toStored()];
  }

  get cursor(): number {
    return this.#cursor;
  }

  get seen(): Seen {
    return this.#seen;
  }

  /** Where it goes on in the log that it saw. */
  get next(): { sequence: number; previousPublishedAt?: number } {
    const next = { sequence: this.#cursor + 1 };
    const { sequence, publishedAt } = this.#seen;
    return sequence === this.#cursor && publishedAt > 0 ? { ...next, previousPublishedAt: publishedAt } : next;
  }

  /** Whether it was offered another message in the place of one that it saw: the log was restored since. */
  get isForked(): boolean {
    return this.#isForked;
  }

  /**
   * Whether a push may come from a log that was restored to before what was seen. Publish times never go back in a log,
   * so most cases are certain; but an announcement (a push without messages) may also have been delayed on its way.
   */
  isDoubted(push: Push): boolean {
    const { sequence, publishedAt } = this.#seen;
    if (push.count === 0 && push.last < sequence) {
      return true;
    }
    const isOther = (at: number) => publishedAt > 0 && at > 0 && at !== publishedAt;
    return (
      (push.previous === sequence && isOther(push.previousPublishedAt)) ||
      (push.last === sequence && isOther(push.publishedAt)) ||
      (push.last < sequence && isOther(push.publishedAt) && push.publishedAt > publishedAt)
    );
  }

  /** How far earlier rounds of sending got, to be stored when one ends. */
  get rounds(): readonly number[] {
    return this.#window.rounds;
  }

  /** Whether it is known which messages are unacked. If not, after an eviction, they are read again from the log. */
  get isCounted(): boolean {
    return this.#window.isCounted;
  }

  /** Where all unacked messages of this round lie. */
  get unackedRange(): { first: number; last: number } {
    return { first: this.#window.floor + 1, last: this.#window.previous };
  }

  /** Takes what the log holds in the {@link unackedRange}. */
  recount(messages: readonly MessageText[]): void {
    const matches = this.#matches;
    const sent = matches === undefined ? messages : messages.filter((message) => matches(message.subject));
    this.#window.recount(sent.map((message) => message.sequence));
  }

  /** When an ack is overdue; undefined while nothing is in flight. */
  get deadlineAt(): number | undefined {
    return this.#deadlineAt;
  }

  /** Text sent in this round and not acked. */
  get unackedBytes(): number {
    return this.#window.bytes;
  }

  /** How many more messages may be sent now. */
  get room(): number {
    return this.#window.bytes >= LIMITS.outgoingPauseBytes ? 0 : this.spec.maxInFlight - this.#window.count;
  }

  /** Whether some messages are skipped, so that pages may be larger than there is room for. */
  get isFiltered(): boolean {
    return this.#matches !== undefined || this.#notBefore !== undefined;
  }

  /** Passes over what a page that begins after its cursor tells that does not match, and what is deleted before that. */
  passOver({ passed, last, publishedAt }: Page): void {
    if (passed === undefined || this.#isForked) {
      return;
    }
    if (passed.from > this.#cursor + 1) {
      this.#tellGap(this.#cursor + 1, passed.from - 1, "trimmed");
    }
    this.#reach(passed.to, passed.to === last ? publishedAt : 0);
    this.#window.advanceFloor(passed.to);
  }

  /**
   * Sends what it has room for of a batch that contains, or begins after, the sequence after the cursor. Sequences
   * that are gone are told as a gap. It takes nothing of another log than the one it saw.
   */
  offer(batch: MessageBatch, nowMs: number): void {
    this.#isForked ||= this.#isOfAnotherLog(batch);
    if (this.#isForked) {
      return;
    }
    this.#passEarly(batch);
    if (batch.first > this.#cursor + 1) {
      this.#tellGap(this.#cursor + 1, batch.first - 1, "trimmed");
    }
    const isNext = batch.first === this.#cursor + 1 && batch.isWhole && batch.count > 0;
    if (isNext && this.#matches === undefined && batch.count <= this.room) {
      this.#send(batch.frame(this.spec.id, this.spec.name, this.#window.previous));
      this.#window.sent(batch.first, batch.last, batch.bytes);
      this.#reach(batch.last, batch.publishedAt);
    } else {
      this.#offerEach(batch);
    }
    this.#window.advanceFloor(this.#cursor);
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
      // Acked after an earlier round sent it: it is not sent again.
      this.#cursor = Math.max(this.#cursor, through);
      this.#window.advanceFloor(this.#cursor);
      this.#deadlineAt = this.#window.count > 0 ? nowMs + this.spec.ackWaitMs : undefined;
    }
    return true;
  }

  /** The highest sequence that was ever sent. */
  get highest(): number {
    return this.#window.highest;
  }

  /**
   * Checks whether an ack is overdue. Then sending goes back to the ack floor, or ends when the first unacked message was
   * sent `maxDeliver` times.
   *
   * @param mayRepeat Whether it may be sent again now; if not, it is looked at again after `ackWaitMs`.
   */
  expire(nowMs: number, mayRepeat: () => boolean): Overdue {
    if (this.#deadlineAt === undefined || this.#deadlineAt > nowMs) {
      return "notYet";
    }
    if (this.#window.timesSent >= this.spec.maxDeliver) {
      return "close";
    }
    if (!mayRepeat()) {
      this.#deadlineAt = nowMs + this.spec.ackWaitMs;
      return "notYet";
    }
    this.#window.goBack();
    this.#cursor = this.#window.floor;
    this.#deadlineAt = undefined;
    return "goBack";
  }

  /** Passes over messages published before the time at which it starts, as if they did not exist. */
  #passEarly(batch: MessageBatch): void {
    const notBefore = this.#notBefore;
    if (notBefore === undefined) {
      return;
    }
    const { messages } = batch;
    // Publish times never go back.
    const isMet = messages.some(({ publishedAt }) => publishedAt >= notBefore);
    const early = messages.findLast(({ publishedAt }) => publishedAt < notBefore);
    this.#notBefore = isMet ? undefined : notBefore;
    if (early !== undefined && early.sequence > this.#cursor) {
      this.#reach(early.sequence, early.publishedAt);
    }
    this.#window.advanceFloor(this.#cursor);
  }

  /** Sends the messages that match, as far as there is room, and tells the gaps between messages. */
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
      this.#reach(message.sequence, message.publishedAt);
    }
    this.#sendEach(matching);
    if (batch.last > this.#cursor) {
      this.#tellGap(this.#cursor + 1, batch.last, "deleted");
      this.#reach(batch.last, batch.publishedAt);
    }
  }

  /** Moves the cursor to a message. */
  #reach(sequence: number, publishedAt: number): void {
    this.#cursor = sequence;
    if (sequence > this.#seen.sequence) {
      this.#seen = { sequence, publishedAt };
    }
  }

  /** Whether a batch has another message in the place of the one that was seen. */
  #isOfAnotherLog(batch: MessageBatch): boolean {
    const { sequence, publishedAt } = this.#seen;
    if (publishedAt === 0 || sequence < batch.first || sequence > batch.last) {
      return false;
    }
    const message = batch.messages.find((one) => one.sequence === sequence);
    return message !== undefined && message.publishedAt !== publishedAt;
  }

  #sendEach(messages: readonly MessageText[]): void {
    const [first] = messages;
    if (first === undefined) {
      return;
    }
    this.#send(messagesFrame(this.spec.id, this.spec.name, this.#window.previous, joinMessages(messages)));
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
    this.#reach(to, 0);
    // So that it is told only once, even when sending goes back.
    this.#window.advanceFloor(to);
  }
}
