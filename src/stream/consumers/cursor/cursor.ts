/**
 * Where one durable consumer stands: which matching messages were handed out, to whom, and what became of them.
 *
 * A message is in exactly one state:
 *
 *            deliver                   ack, ackThrough
 *     new ─────────────▶ in flight ────────────────────▶ settled
 *      │                  │     ▲                           ▲
 *      │    ack deadline, │     │ deliver,                  │
 *      │    nak, release; │     │ once due                  │ late ack
 *      │    undeliver,    ▼     │                           │
 *      │    doubt        waiting ───────────────────────────┘
 *      ▼                        ▲
 *     lost                dead ─┘ requeue
 *
 * Dead: from in flight by the first three after `maxDeliver` deliveries that count, by `term` from in flight or waiting,
 * and by `configure` from waiting, if it lowers `maxDeliver`. What waits has deliveries left. Never by `undeliver`, which
 * takes the delivery back, nor by `doubt`, which does not count it.
 *
 * A delivery counts when the message itself made it fail, as far as can be told: by nak; by an ack deadline or the loss
 * of its holder when it was alone there; and by a deadline when its holder has settled what it was given after it, for then
 * it did not wait behind another one. Among several in flight at one holder any may have been the cause, and the others
 * were perhaps never begun: none of these deliveries counts, and each message is under suspicion. A holder that leaves in
 * order accuses nobody.
 *
 *                     failed among several        again                     failed alone
 *     no suspicion ────────────────────▶ once ───────▶ twice: a suspect ───────────────▶ a delivery that counts
 *           ▲                              │                 │                                │
 *           └───────────── nak ────────────┴─────────────────┴────────────────────────────────┘
 *
 * A suspect is delivered alone: to a holder with nothing in flight, which gets nothing else meanwhile.
 *
 * Lost: what is deleted from the stream while new, in flight or waiting. `seek` makes everything from there on new.
 *
 * Settled, dead and lost messages are not remembered: they are what lies below `nextSequence` and is not unsettled.
 * The owner keeps the dead letters.
 */
import type {
  CursorConfig,
  CursorInfo,
  DeadLetter,
  Delivery,
  DeliverRequest,
  LostMessages,
  NakRequest,
  ReleaseRequest,
  TermRequest,
} from "./types.ts";
import { MAX_UNSETTLED_MESSAGES, UNSURE_WAIT_MS } from "./types.ts";
import { packRuns, unpackRuns } from "./stored.ts";
import type { StoredCursor } from "./stored.ts";
import { UnsettledMessages } from "./unsettled-messages.ts";
import {
  backoffAfter,
  countedOf,
  excused,
  handedOut,
  isInFlightAt,
  newlyWaiting,
  suspected,
  withoutHolder,
} from "./unsettled.ts";
import type { Unsettled } from "./unsettled.ts";

/**
 * The cursor of one consumer as plain values in memory: no clock, no storage. The owner writes `toStored()` in the
 * same transaction as the dead letters that a call returns, and lets nothing handed out leave before that.
 */
export class ConsumerCursor {
  #config: CursorConfig;
  readonly #unsettled: UnsettledMessages;
  #nextSequence: number;
  #notBefore: number | undefined;
  #paused = false;
  #lost: LostMessages | undefined;
  #version = 0;

  /** A cursor that has handed out nothing and starts at `nextSequence`, but not before a time. */
  constructor(config: CursorConfig, nextSequence: number, notBefore?: number) {
    this.#config = config;
    this.#unsettled = new UnsettledMessages(config.maxInFlight === 1);
    this.#nextSequence = nextSequence;
    this.#notBefore = notBefore;
  }

  /** What is in flight keeps its holder and its deadline. */
  static fromStored(config: CursorConfig, stored: StoredCursor): ConsumerCursor {
    const cursor = new ConsumerCursor(config, stored.nextSequence, stored.notBefore);
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
   * Grows with every change that a restart must not forget. Passing over messages that do not match is not one: the
   * log shows it again.
   */
  get version(): number {
    return this.#version + this.#unsettled.version;
  }

  /** Where to read the log for messages not handed out yet. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /**
   * The time to come at which it starts, in ms since the epoch: until the log has a message of that time, the owner
   * passes over what comes, and then tells by {@link started}.
   */
  get notBefore(): number | undefined {
    return this.#notBefore;
  }

  /** How many more may be in flight, at all holders together; none while paused. */
  get room(): number {
    // More than may be were in flight when `configure` lowered it.
    return this.#paused ? 0 : Math.max(0, this.#config.maxInFlight - this.#unsettled.inFlight);
  }

  /** How many of them may be new messages; reading the log is of no use when it is none. */
  get roomForNew(): number {
    const { maxInFlight, maxUnsettled = MAX_UNSETTLED_MESSAGES } = this.#config;
    return Math.max(0, Math.min(this.room, (maxInFlight === 1 ? 1 : maxUnsettled) - this.#unsettled.size));
  }

  info(): CursorInfo {
    const lowest = this.#unsettled.lowest?.sequence ?? this.#nextSequence;
    const { inFlight, waiting, redelivered } = this.#unsettled;
    return { ackFloor: lowest - 1, inFlight, waiting, redelivered, paused: this.#paused, lost: this.#lost };
  }

  inFlightOf(holder: string): number {
    return this.#unsettled.inFlightOf(holder);
  }

  /** How many more this holder may be given; none while it has a suspect, which is to be alone. */
  roomOf(holder: string, maxInFlight: number): number {
    return this.#unsettled.hasSuspect(holder) ? 0 : maxInFlight - this.inFlightOf(holder);
  }

  /** Whether this holder has a suspect in flight. */
  hasSuspect(holder: string): boolean {
    return this.#unsettled.hasSuspect(holder);
  }

  /** Whether this holder has the message now. */
  isInFlightAt(holder: string, sequence: number): boolean {
    const message = this.#unsettled.get(sequence);
    return message !== undefined && isInFlightAt(holder, message);
  }

  /** Whoever was given something unsettled and did not give it back. */
  get holders(): string[] {
    return this.#unsettled.holders;
  }

  /** The redeliveries that `deliver` would hand out first, in its order, to a holder with room for `limit`. */
  dueSequences(nowMs: number, limit: number): number[] {
    return this.#unsettled.due(nowMs, Math.min(limit, this.room)).map(({ sequence }) => sequence);
  }

  /** The redelivery that `deliverSuspect` would hand out. */
  dueSuspect(nowMs: number): number | undefined {
    return this.room === 0 ? undefined : this.#unsettled.dueSuspect(nowMs)?.sequence;
  }

  /** Hands out the suspect that is due longest, to a holder with nothing in flight; to no other. */
  deliverSuspect(holder: string, nowMs: number): Delivery | undefined {
    const message = this.room === 0 || this.inFlightOf(holder) > 0 ? undefined : this.#unsettled.dueSuspect(nowMs);
    return message && this.#handOut(message, { holder, behind: this.#nextSequence - 1, nowMs });
  }

  /**
   * Hands out redeliveries that are due, the longest due first, then new messages of the page. The same page may be
   * offered to one holder after the other: what is handed out already is skipped. Suspects are left to `deliverSuspect`.
   */
  deliver({ holder, maxInFlight, limit, page, nowMs }: DeliverRequest): Delivery[] {
    if (page !== undefined && page.from > this.#nextSequence) {
      throw new Error(`log page from ${page.from} leaves out ${this.#nextSequence}`);
    }

    const room = Math.min(limit, this.roomOf(holder, maxInFlight), this.room);
    const behind = this.#nextSequence - 1;
    const due = this.#unsettled.due(nowMs, room);
    const deliveries = due.map((message) => this.#handOut(message, { holder, behind, nowMs }));
    for (const sequence of page?.sequences ?? []) {
      if (sequence >= this.#nextSequence) {
        this.#nextSequence = sequence;
        if (deliveries.length >= room || this.roomForNew === 0) {
          return deliveries;
        }
        deliveries.push(this.#handOut(newlyWaiting(sequence, nowMs), { holder, behind: undefined, nowMs }));
        this.#nextSequence = sequence + 1;
      }
    }
    this.passOver(page?.through ?? 0);
    return deliveries;
  }

  /** Settles what is in flight, at whichever holder, or waiting; the rest is left alone. Returns how many. */
  ack(sequences: readonly number[]): number {
    const before = this.#unsettled.size;
    for (const sequence of sequences) {
      this.#noteReached(this.#unsettled.get(sequence));
      this.#unsettled.remove(sequence);
    }
    return before - this.#unsettled.size;
  }

  /** Settles what this holder was given up to there and did not give back by nak. Returns how many. */
  ackThrough(holder: string, through: number): number {
    return this.ack(this.#unsettled.givenTo(holder, through).map(({ sequence }) => sequence));
  }

  /** Puts back what this holder has in flight, with no suspicion left; nothing else. Returns what died of it. */
  nak({ holder, sequences, delayMs, nowMs }: NakRequest): DeadLetter[] {
    return this.#inFlightAt(holder, sequences).flatMap((message) => {
      this.#noteReached(message);
      const dueAt = nowMs + (delayMs ?? backoffAfter(message, this.#config));
      return this.#countFailure({ ...withoutHolder(message, holder), dueAt, suspicion: 0 }, nowMs);
    });
  }

  /** Makes dead letters of what is in flight, at whichever holder, or waiting. */
  term({ sequences, reason = "term", nowMs }: TermRequest): DeadLetter[] {
    return sequences.flatMap((sequence) => {
      const message = this.#unsettled.get(sequence);
      this.#noteReached(message);
      return message === undefined ? [] : [this.#bury(message, reason, nowMs)];
    });
  }

  /** Restarts the ack deadline of what this holder has in flight; nothing else. */
  working(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.#inFlightAt(holder, sequences)) {
      this.#unsettled.put({ ...message, dueAt: nowMs + this.#config.ackWaitMs });
    }
  }

  /**
   * Takes back what has passed its ack deadline; the backoff counts from the deadline, however late the call. To be
   * called when `nextDeadline` has come, and before `deliver`. Returns what died of it.
   */
  expire(nowMs: number): DeadLetter[] {
    const overdue = this.#unsettled.overdue(nowMs);
    const guilty = new Set(overdue.filter((message) => this.#isAlone(message) || this.#isPassedOver(message)));
    return overdue.flatMap((message) => {
      const dueAt = message.dueAt + backoffAfter(message, this.#config);
      return this.#fail({ ...message, dueAt }, guilty.has(message), nowMs);
    });
  }

  /** This holder was surely never sent what it has in flight: the delivery does not count, and it is due at once. */
  revertDelivery(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.#inFlightAt(holder, sequences)) {
      const takenBack = { ...withoutHolder(message, holder), deliveries: message.deliveries - 1 };
      this.#unsettled.put(this.#spared({ ...takenBack, state: "waiting", dueAt: nowMs }));
    }
  }

  /**
   * Nobody knows whether this holder was sent what it has in flight: it comes again after its backoff, and after
   * UNSURE_WAIT_MS at the earliest. The delivery does not count: perhaps no client ever had the message.
   */
  markUncertain(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.#inFlightAt(holder, sequences)) {
      const dueAt = nowMs + Math.max(backoffAfter(message, this.#config), UNSURE_WAIT_MS);
      this.#unsettled.put(this.#spared({ ...excused(message), state: "waiting", dueAt }));
    }
  }

  /** The holder is gone: what it has in flight is due at once. Returns what died of it. */
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
   * Everything up to `through` was deleted from the stream.
   *
   * @param unread What matched and existed from `nextSequence` to `through`, if anything: the cursor never saw it.
   */
  trim(through: number, unread: LostMessages | undefined): void {
    this.lose(this.#unsettled.upTo(through).map(({ sequence }) => sequence));
    if (unread !== undefined) {
      this.#countLost(unread);
    }
    this.passOver(through);
  }

  /** Single messages that match the filter were deleted from the stream; what is settled or dead is no loss. */
  lose(sequences: readonly number[]): void {
    for (const sequence of sequences) {
      if (sequence >= this.#nextSequence || this.#unsettled.get(sequence) !== undefined) {
        this.#unsettled.remove(sequence);
        this.#countLost({ from: sequence, to: sequence, total: 1 });
      }
    }
  }

  /** New messages up to there are not to be delivered. It is no change: the log shows it again. */
  passOver(through: number): void {
    this.#nextSequence = Math.max(this.#nextSequence, through + 1);
  }

  /** The log has come to `notBefore`, and what was published before it is passed over. That is no change either. */
  started(): void {
    this.#notBefore = undefined;
  }

  /**
   * Goes on with another config. What is in flight keeps its deadline, what waits its time. Returns what died of it:
   * what waits, and was delivered as often as it may be now.
   */
  configure(config: CursorConfig, nowMs: number): DeadLetter[] {
    this.#config = config;
    this.#unsettled.setStrict(config.maxInFlight === 1);
    this.#version++;
    return this.#unsettled
      .inOrder()
      .filter((message) => message.state === "waiting" && countedOf(message) >= config.maxDeliver)
      .map((message) => this.#bury(message, "maxDeliver", nowMs));
  }

  /**
   * Starts over at `nextSequence` and not before a time, like a consumer made anew: what is unsettled is forgotten, and what was settled
   * from there on comes again. The owner drops the dead letters from there on.
   */
  seek(nextSequence: number, notBefore?: number): void {
    this.ack(this.#unsettled.inOrder().map(({ sequence }) => sequence));
    this.#nextSequence = nextSequence;
    this.#notBefore = notBefore;
    this.#version++;
  }

  /** While paused nothing is handed out; acks and ack deadlines still count. */
  setPaused(paused: boolean): void {
    if (paused !== this.#paused) {
      this.#paused = paused;
      this.#version++;
    }
  }

  /**
   * Makes dead letters whose messages still exist due again, with no delivery counted. Returns those it took: not what
   * is new or unsettled, nor more than may be unsettled.
   */
  requeue(sequences: readonly number[], nowMs: number): number[] {
    const { maxUnsettled = MAX_UNSETTLED_MESSAGES } = this.#config;
    return sequences.filter((sequence) => {
      const isOver = sequence < this.#nextSequence && this.#unsettled.get(sequence) === undefined;
      const isTaken = isOver && this.#unsettled.size < maxUnsettled;
      if (isTaken) {
        this.#unsettled.put(newlyWaiting(sequence, nowMs));
      }
      return isTaken;
    });
  }

  /**
   * When something next happens by itself: an ack deadline, overdue or not, or a redelivery time after `nowMs`. A
   * redelivery that is due already needs no alarm: it waits for room, and whatever makes room calls `deliver`, and
   * `deliverSuspect`.
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

  /** Whether its holder has nothing else in flight. */
  #isAlone({ holders }: Unsettled): boolean {
    return this.inFlightOf(holders.at(-1) ?? "") === 1;
  }

  /** Whether its holder has settled what it was given after it: so it had its turn, and did not wait behind another. */
  #isPassedOver({ sequence, behind = sequence, holders }: Unsettled): boolean {
    return this.#unsettled.reachedBy(holders.at(-1) ?? "") > behind;
  }

  /** A message is settled or given back: the one holder it was given to, as new, has come that far. */
  #noteReached(message: Unsettled | undefined): void {
    const [holder] = message?.holders ?? [];
    if (message !== undefined && message.behind === undefined && holder !== undefined) {
      this.#unsettled.reach(holder, message.sequence);
    }
  }

  #handOut(message: Unsettled, to: { holder: string; behind: number | undefined; nowMs: number }): Delivery {
    const { holder, behind, nowMs } = to;
    const { sequence, deliveries: deliveryCount } = message;
    this.#unsettled.put(handedOut(message, { holder, behind, deadline: nowMs + this.#config.ackWaitMs }));
    return { sequence, deliveryCount: deliveryCount + 1 };
  }

  /** Puts back what its holder has failed with, and counts that against it if no other one can have been the cause. */
  #fail(message: Unsettled, isGuilty: boolean, nowMs: number): DeadLetter[] {
    if (isGuilty) {
      return this.#countFailure(message, nowMs);
    }
    this.#unsettled.put(this.#spared({ ...suspected(message), state: "waiting" }));
    return [];
  }

  /** With one delivery left at least, though `configure` may have lowered `maxDeliver` while it was in flight. */
  #spared(message: Unsettled): Unsettled {
    const least = message.deliveries - (this.#config.maxDeliver - 1);
    return { ...message, uncounted: Math.max(message.uncounted, least) };
  }

  #countFailure(message: Unsettled, nowMs: number): DeadLetter[] {
    if (countedOf(message) >= this.#config.maxDeliver) {
      return [this.#bury(message, "maxDeliver", nowMs)];
    }
    this.#unsettled.put({ ...message, state: "waiting" });
    return [];
  }

  #bury({ sequence, deliveries }: Unsettled, reason: string, nowMs: number): DeadLetter {
    this.#unsettled.remove(sequence);
    return { sequence, deliveries, reason, deadAt: nowMs };
  }

  #countLost({ from, to, total }: LostMessages): void {
    const lost = this.#lost ?? { from, to, total: 0 };
    this.#lost = { from: Math.min(lost.from, from), to: Math.max(lost.to, to), total: lost.total + total };
    this.#version++;
  }
}
