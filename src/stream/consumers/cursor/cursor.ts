/**
 * The position of one durable consumer: which matching messages were delivered, to whom, and with what result.
 *
 * A message is in exactly one state:
 *
 *            deliver                        ack, ackThrough
 *     new ─────────────▶ in flight ──────────────────────────▶ acked
 *      │                  │     ▲                                ▲
 *      │   ack deadline,  │     │ deliver,                       │
 *      │   nak, release;  │     │ once due                       │ late ack
 *      │  revertDelivery, ▼     │                                │
 *      │  markUncertain  waiting ────────────────────────────────┘
 *      ▼                        ▲
 *     lost                dead ─┘ requeue
 *
 * Unsettled is a message that is in flight or waiting: it was delivered, or put back to be delivered again, and is
 * neither acked nor dead. The cursor stores the unsettled messages and `nextSequence`, from which new ones are read.
 * Acked, dead and lost messages are not stored: they are those below `nextSequence` that are not unsettled. The owner
 * stores the dead letters.
 *
 * Dead: a message in flight whose ack deadline, nak or release was the last of `maxDeliver` deliveries that count; one
 * that got a `term`; and a waiting one when `configure` lowers `maxDeliver` to the number of its deliveries that count.
 * `revertDelivery` and `markUncertain` never make a message dead, because they do not count the delivery.
 *
 * A delivery counts when the message itself is the likely cause of the failure. That is so for a nak; for an ack
 * deadline or the loss of the holder, when the message was the only one in flight there; and for an ack deadline, when
 * the holder has already settled a message that it got later, so that this one was not just waiting for its turn. When
 * a holder fails with several messages in flight, any of them may be the cause, and the others were perhaps never
 * processed. Then no delivery counts, and each of the messages is suspected. A holder that is released without being
 * lost causes no suspicion.
 *
 *                     failed among several        again                     failed alone
 *     no suspicion ────────────────────▶ once ───────▶ twice: a suspect ───────────────▶ a delivery that counts
 *           ▲                              │                 │                                │
 *           └───────────── nak ────────────┴─────────────────┴────────────────────────────────┘
 *
 * A suspect is delivered alone: to a holder with nothing in flight, which gets nothing else until the suspect is back.
 *
 * Lost: deleted from the stream while new, in flight or waiting. `seek` makes everything from its position on new.
 */
import { joinLost } from "./lost.ts";
import { packRuns, unpackRuns } from "./stored.ts";
import type { StoredCursor } from "./stored.ts";
import { UNSURE_WAIT_MS } from "./types.ts";
import type {
  CursorConfig,
  CursorInfo,
  CursorStart,
  DeadLetter,
  Delivery,
  DeliverRequest,
  LostMessages,
  NakRequest,
  ReleaseRequest,
  TermRequest,
} from "./types.ts";
import { UnsettledMessages } from "./unsettled-messages.ts";
import type { UnsettledTotal } from "./unsettled-total.ts";
import {
  backoffAfter,
  countedOf,
  excused,
  firstDelivered,
  delivered,
  holderOf,
  isInFlightAt,
  newlyWaiting,
  suspected,
  withoutHolder,
} from "./unsettled.ts";
import type { Unsettled } from "./unsettled.ts";

/**
 * The cursor of one consumer: plain values in memory, no clock, no storage. The owner writes `toStored()` in the same
 * transaction as the dead letters that a call returns, and sends deliveries only after that.
 */
export class ConsumerCursor {
  #config: CursorConfig;
  readonly #unsettled: UnsettledMessages;
  #nextSequence: number;
  #notBefore: number | undefined;
  #paused = false;
  #lost: LostMessages | undefined;
  #version = 0;

  /**
   * A cursor that has delivered nothing. It starts at `nextSequence`, but not before the time `notBefore`.
   *
   * @param total Of all cursors of its stream.
   */
  constructor(config: CursorConfig, { nextSequence, notBefore }: CursorStart, total: UnsettledTotal) {
    this.#config = config;
    this.#unsettled = new UnsettledMessages(config.maxInFlight === 1, total);
    this.#nextSequence = nextSequence;
    this.#notBefore = notBefore;
  }

  /** Messages in flight keep their holder and their deadline. */
  static fromStored(config: CursorConfig, stored: StoredCursor, total: UnsettledTotal): ConsumerCursor {
    const cursor = new ConsumerCursor(config, stored, total);
    cursor.#paused = stored.paused;
    cursor.#lost = stored.lost;
    for (const message of unpackRuns(stored)) {
      cursor.#unsettled.put(message);
    }
    stored.holders.forEach((holder, index) => cursor.#unsettled.reach(holder, stored.reached[index] ?? 0));
    return cursor;
  }

  toStored(): StoredCursor {
    const { holders, runs } = packRuns(this.#unsettled.inOrder());
    const reached = holders.map((holder) => this.#unsettled.reachedBy(holder));
    const [nextSequence, notBefore] = [this.#nextSequence, this.#notBefore];
    return { nextSequence, notBefore, paused: this.#paused, lost: this.#lost, holders, reached, runs };
  }

  /**
   * Grows with every change that has to be stored. Passing over messages that do not match is not such a change: a
   * restart reads them again.
   */
  get version(): number {
    return this.#version + this.#unsettled.version;
  }

  /** Where to read the log for new messages. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /**
   * The future time at which it starts, in ms since the Unix epoch. The owner passes over earlier messages until the
   * log has one of that time, and then calls {@link started}.
   */
  get notBefore(): number | undefined {
    return this.#notBefore;
  }

  /** How many more messages may be in flight, at all holders together; none while paused. */
  get room(): number {
    // `configure` may lower `maxInFlight` below what is in flight.
    return this.#paused ? 0 : Math.max(0, this.#config.maxInFlight - this.#unsettled.inFlight);
  }

  /** How many of those may be new messages; when it is 0, the log need not be read. */
  get roomForNew(): number {
    return Math.max(0, Math.min(this.room, this.#unsettled.roomForNew(this.#config.maxUnsettled)));
  }

  info(): CursorInfo {
    const lowest = this.#unsettled.lowest?.sequence ?? this.#nextSequence;
    const { inFlight, waiting, redelivered } = this.#unsettled;
    return { ackFloor: lowest - 1, inFlight, waiting, redelivered, paused: this.#paused, lost: this.#lost };
  }

  inFlightOf(holder: string): number {
    return this.#unsettled.inFlightOf(holder);
  }

  /** How many more messages this holder may get; none while it has a suspect, which is to be alone. */
  roomOf(holder: string, maxInFlight: number): number {
    return this.#unsettled.hasSuspect(holder) ? 0 : maxInFlight - this.inFlightOf(holder);
  }

  /** Whether this holder has a suspect in flight. */
  hasSuspect(holder: string): boolean {
    return this.#unsettled.hasSuspect(holder);
  }

  /** Whether this holder has the message in flight. */
  isInFlightAt(holder: string, sequence: number): boolean {
    const message = this.#unsettled.get(sequence);
    return message !== undefined && isInFlightAt(holder, message);
  }

  /** The holders that have got an unsettled message and did not give it back. */
  get holders(): string[] {
    return this.#unsettled.holders;
  }

  /** The redeliveries that `deliver` would make first, in its order, to a holder with room for `limit`. */
  dueSequences(nowMs: number, limit: number): number[] {
    return this.#unsettled.due(nowMs, Math.min(limit, this.room)).map(({ sequence }) => sequence);
  }

  /** The redelivery that `deliverSuspect` would make. */
  dueSuspect(nowMs: number): number | undefined {
    return this.room === 0 ? undefined : this.#unsettled.dueSuspect(nowMs)?.sequence;
  }

  /** Delivers the suspect that is due longest; only to a holder with nothing in flight. */
  deliverSuspect(holder: string, nowMs: number): Delivery | undefined {
    const message = this.room === 0 || this.inFlightOf(holder) > 0 ? undefined : this.#unsettled.dueSuspect(nowMs);
    return message && this.#deliverAgain(message, holder, nowMs);
  }

  /**
   * Delivers redeliveries that are due, the longest due first, then new messages of the page. The same page may be
   * offered to several holders in turn: messages that were delivered already are skipped. `deliverSuspect` delivers
   * suspects.
   */
  deliver({ holder, maxInFlight, limit, page, nowMs }: DeliverRequest): Delivery[] {
    if (page !== undefined && page.from > this.#nextSequence) {
      throw new Error(`log page from ${page.from} leaves out ${this.#nextSequence}`);
    }

    const room = Math.min(limit, this.roomOf(holder, maxInFlight), this.room);
    const deliveries = this.#unsettled.due(nowMs, room).map((message) => this.#deliverAgain(message, holder, nowMs));
    const [holders, deadline] = [[holder], nowMs + this.#config.ackWaitMs];
    for (const sequence of page?.sequences ?? []) {
      if (sequence >= this.#nextSequence) {
        this.#nextSequence = sequence;
        if (deliveries.length >= room || this.roomForNew === 0) {
          return deliveries;
        }
        this.#unsettled.put(firstDelivered(sequence, { holders, deadline }));
        deliveries.push({ sequence, deliveryCount: 1 });
        this.#nextSequence = sequence + 1;
      }
    }
    this.passOver(page?.through ?? 0);
    return deliveries;
  }

  /** Acks messages in flight, at any holder, or waiting; ignores all others. Returns how many. */
  ack(sequences: readonly number[]): number {
    const before = this.#unsettled.size;
    for (const sequence of sequences) {
      this.#noteReached(this.#unsettled.get(sequence));
      this.#unsettled.remove(sequence);
    }
    return before - this.#unsettled.size;
  }

  /** Acks the messages through a sequence that this holder has got and did not give back by nak. Returns how many. */
  ackThrough(holder: string, through: number): number {
    return this.ack(this.#unsettled.givenTo(holder, through).map(({ sequence }) => sequence));
  }

  /** Puts back messages that this holder has in flight, and clears their suspicion. Returns the dead letters. */
  nak({ holder, sequences, delayMs, nowMs }: NakRequest): DeadLetter[] {
    return this.#inFlightAt(holder, sequences).flatMap((message) => {
      this.#noteReached(message);
      const dueAt = nowMs + (delayMs ?? backoffAfter(message, this.#config));
      return this.#countFailure({ ...withoutHolder(message, holder), dueAt, suspicion: 0 }, nowMs);
    });
  }

  /** Makes dead letters of messages in flight, at any holder, or waiting. */
  term({ sequences, reason = "term", nowMs }: TermRequest): DeadLetter[] {
    return sequences.flatMap((sequence) => {
      const message = this.#unsettled.get(sequence);
      this.#noteReached(message);
      return message === undefined ? [] : [this.#deadLetter(message, reason, nowMs)];
    });
  }

  /** Restarts the ack deadline of messages that this holder has in flight. */
  working(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.#inFlightAt(holder, sequences)) {
      this.#unsettled.put({ ...message, dueAt: nowMs + this.#config.ackWaitMs });
    }
  }

  /**
   * Takes back messages that have passed their ack deadline. The backoff counts from the deadline, however late the
   * call. To be called when `nextDeadline` is reached, and before `deliver`.
   *
   * @param limit About how many, those first that passed it first: `nextDeadline` tells whether any are left. What becomes
   *   of them is the same as if all were taken back at once.
   * @returns The dead letters.
   */
  expire(nowMs: number, limit = Infinity): DeadLetter[] {
    const overdue = this.#unsettled.overdue(nowMs, limit);
    const guilty = new Set(
      overdue.filter((message) => this.#unsettled.isAlone(message) || this.#isPassedOver(message)),
    );
    return overdue.flatMap((message) => {
      const dueAt = message.dueAt + backoffAfter(message, this.#config);
      return this.#fail({ ...message, dueAt }, guilty.has(message), nowMs);
    });
  }

  /** For messages that certainly did not reach this holder: the delivery does not count, and they are due at once. */
  revertDelivery(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.#inFlightAt(holder, sequences)) {
      const takenBack = { ...withoutHolder(message, holder), deliveries: message.deliveries - 1 };
      this.#unsettled.put(this.#spared({ ...takenBack, state: "waiting", dueAt: nowMs }));
    }
  }

  /**
   * For messages that may not have reached this holder: they are due after their backoff, and after UNSURE_WAIT_MS at
   * the earliest. The delivery does not count, because perhaps no client ever had the message.
   */
  markUncertain(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.#inFlightAt(holder, sequences)) {
      const dueAt = nowMs + Math.max(backoffAfter(message, this.#config), UNSURE_WAIT_MS);
      this.#unsettled.put(this.#spared({ ...excused(message), state: "waiting", dueAt }));
    }
  }

  /** Ends a holder: its messages in flight are due at once. Returns the dead letters. */
  release({ holder, isLost, underway = new Set(), nowMs }: ReleaseRequest): DeadLetter[] {
    const given = this.#unsettled.givenTo(holder, Infinity).filter(({ sequence }) => !underway.has(sequence));
    const isAlone = this.inFlightOf(holder) === 1;
    return given.flatMap((message) => {
      const left = withoutHolder(message, holder);
      if (!isInFlightAt(holder, message)) {
        this.#unsettled.put(left);
        return [];
      }
      if (isLost) {
        return this.#fail({ ...left, dueAt: nowMs }, isAlone, nowMs);
      }
      this.#unsettled.put(this.#spared({ ...excused(left), state: "waiting", dueAt: nowMs }));
      return [];
    });
  }

  /**
   * All messages through `through` were deleted from the stream.
   *
   * @param unread The new messages that matched and existed from `nextSequence` to `through`, if any.
   */
  trim(through: number, unread: LostMessages | undefined): void {
    this.lose(this.#unsettled.upTo(through).map(({ sequence }) => sequence));
    if (unread !== undefined) {
      this.#countLost(unread);
    }
    this.passOver(through);
  }

  /** Single messages that match the filter were deleted from the stream; acked and dead ones do not count as lost. */
  lose(sequences: readonly number[]): void {
    for (const sequence of sequences) {
      if (sequence >= this.#nextSequence || this.#unsettled.get(sequence) !== undefined) {
        this.#unsettled.remove(sequence);
        this.#countLost({ from: sequence, to: sequence, total: 1 });
      }
    }
  }

  /** Skips new messages through a sequence. Not a change that has to be stored, as {@link version} says. */
  passOver(through: number): void {
    this.#nextSequence = Math.max(this.#nextSequence, through + 1);
  }

  /**
   * The log has reached `notBefore`, and earlier messages are passed over. Not a change that has to be stored either.
   */
  started(): void {
    this.#notBefore = undefined;
  }

  /**
   * Changes the config. Messages in flight keep their deadline, waiting ones their time. Returns the dead letters:
   * waiting messages that have already had as many deliveries as the new config allows.
   */
  configure(config: CursorConfig, nowMs: number): DeadLetter[] {
    this.#config = config;
    this.#unsettled.setStrict(config.maxInFlight === 1);
    this.#version++;
    return this.#unsettled
      .inOrder()
      .filter((message) => message.state === "waiting" && countedOf(message) >= config.maxDeliver)
      .map((message) => this.#deadLetter(message, "maxDeliver", nowMs));
  }

  /**
   * Moves to `nextSequence`, like a new consumer that starts there: unsettled messages are forgotten, and acked ones
   * from there on are delivered again. The owner deletes the dead letters from there on.
   */
  seek(nextSequence: number, notBefore?: number): void {
    this.ack(this.#unsettled.inOrder().map(({ sequence }) => sequence));
    this.#nextSequence = nextSequence;
    this.#notBefore = notBefore;
    this.#version++;
  }

  /** While paused nothing is delivered; acks and ack deadlines still apply. */
  setPaused(paused: boolean): void {
    if (paused !== this.#paused) {
      this.#paused = paused;
      this.#version++;
    }
  }

  /**
   * Makes dead letters whose messages still exist due again, with their deliveries reset. Returns those that it took:
   * not new or unsettled messages, and no more than there is room for.
   */
  requeue(sequences: readonly number[], nowMs: number): number[] {
    return sequences.filter((sequence) => {
      const isOver = sequence < this.#nextSequence && this.#unsettled.get(sequence) === undefined;
      const isTaken = isOver && this.#unsettled.roomUpTo(this.#config.maxUnsettled) > 0;
      if (isTaken) {
        this.#unsettled.put(newlyWaiting(sequence, nowMs));
      }
      return isTaken;
    });
  }

  /**
   * The next time at which the owner has to act: an ack deadline, even one in the past, or a redelivery time after
   * `nowMs`. A redelivery that is due already needs no alarm. It waits for room, and whoever makes room calls `deliver`
   * and `deliverSuspect`.
   */
  nextDeadline(nowMs: number): number | undefined {
    const deadline = this.#unsettled.nextInFlight?.dueAt ?? Infinity;
    const redeliveries = this.#paused ? [] : this.#unsettled.nextWaiting.map(({ dueAt }) => dueAt);
    const earliest = Math.min(deadline, ...redeliveries.filter((dueAt) => dueAt > nowMs));
    return earliest === Infinity ? undefined : earliest;
  }

  #inFlightAt(holder: string, sequences: readonly number[]): Unsettled[] {
    return [...new Set(sequences)]
      .flatMap((sequence) => this.#unsettled.get(sequence) ?? [])
      .filter((message) => isInFlightAt(holder, message));
  }

  /** Whether its holder has already settled a message that it got later: so this one was not just waiting its turn. */
  #isPassedOver(message: Unsettled): boolean {
    return this.#unsettled.reachedBy(holderOf(message)) > (message.behind ?? message.sequence);
  }

  /** Notes how far a holder has come, when it settles a message that it got as new, and no one else before. */
  #noteReached(message: Unsettled | undefined): void {
    const [holder] = message?.holders ?? [];
    if (message !== undefined && message.behind === undefined && holder !== undefined) {
      this.#unsettled.reach(holder, message.sequence);
    }
  }

  #deliverAgain(message: Unsettled, holder: string, nowMs: number): Delivery {
    const deadline = nowMs + this.#config.ackWaitMs;
    this.#unsettled.put(delivered(message, { holder, deadline, behind: this.#nextSequence - 1 }));
    return { sequence: message.sequence, deliveryCount: message.deliveries + 1 };
  }

  /** Puts back a message whose delivery failed. The delivery counts if the message is the likely cause. */
  #fail(message: Unsettled, isGuilty: boolean, nowMs: number): DeadLetter[] {
    if (isGuilty) {
      return this.#countFailure(message, nowMs);
    }
    this.#unsettled.put(this.#spared({ ...suspected(message), state: "waiting" }));
    return [];
  }

  /** The message with at least one delivery left, even if `configure` lowered `maxDeliver` while it was in flight. */
  #spared(message: Unsettled): Unsettled {
    const least = message.deliveries - (this.#config.maxDeliver - 1);
    return { ...message, uncounted: Math.max(message.uncounted, least) };
  }

  #countFailure(message: Unsettled, nowMs: number): DeadLetter[] {
    if (countedOf(message) >= this.#config.maxDeliver) {
      return [this.#deadLetter(message, "maxDeliver", nowMs)];
    }
    this.#unsettled.put({ ...message, state: "waiting" });
    return [];
  }

  #deadLetter({ sequence, deliveries }: Unsettled, reason: string, nowMs: number): DeadLetter {
    this.#unsettled.remove(sequence);
    return { sequence, deliveries, reason, deadAt: nowMs };
  }

  #countLost(more: LostMessages): void {
    this.#lost = joinLost(this.#lost, more);
    this.#version++;
  }
}
