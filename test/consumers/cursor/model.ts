import { MAX_UNSETTLED_MESSAGES, UNSURE_WAIT_MS } from "../../../src/stream/consumers/cursor/types.ts";
import type {
  CursorConfig,
  DeadLetter,
  Delivery,
  LogPage,
  LostMessages,
  NakRequest,
  TermRequest,
} from "../../../src/stream/consumers/cursor/types.ts";

/** `skipped`: the consumer was made, or sought, beyond it. */
type State = "new" | "inFlight" | "waiting" | "settled" | "dead" | "lost" | "skipped";

export type ModelMessage = {
  readonly sequence: number;
  readonly matches: boolean;
  exists: boolean;
  state: State;
  dueAt: number;
  deliveries: number;
  /** Those of them that count against maxDeliver. */
  counted: number;
  /** How often it was given back by a holder that failed with several: twice, and it is delivered alone. */
  suspicion: number;
  /** The highest sequence delivered before its last delivery; undefined if that was its first. */
  behind: number | undefined;
  /** Whom it was given to and who did not give it back; in flight, the last one has it. */
  holders: string[];
  deadLetter: DeadLetter | undefined;
};

/**
 * A consumer and its stream as a table of every message ever published, searched from end to end for each question:
 * slow, and too plain to be wrong in the same way as the cursor.
 */
export class ConsumerModel {
  #config: CursorConfig;
  readonly messages: ModelMessage[] = [];
  nextSequence = 1;
  paused = false;
  /** By holder, the highest sequence that it got as a first delivery and has acked, naked or termed. */
  reached = new Map<string, number>();
  lost: LostMessages | undefined;

  constructor(config: CursorConfig) {
    this.#config = config;
  }

  get lastSequence(): number {
    return this.messages.length;
  }

  get unsettled(): ModelMessage[] {
    return this.messages.filter(({ state }) => state === "inFlight" || state === "waiting");
  }

  get deadLetters(): DeadLetter[] {
    return this.messages.flatMap(({ deadLetter }) => deadLetter ?? []);
  }

  get ackFloor(): number {
    return Math.min(this.nextSequence, ...this.unsettled.map(({ sequence }) => sequence)) - 1;
  }

  in(state: State): ModelMessage[] {
    return this.messages.filter((message) => message.state === state);
  }

  inFlightOf(holder: string): ModelMessage[] {
    return this.in("inFlight").filter(({ holders }) => holders.at(-1) === holder);
  }

  publish(matches: boolean): void {
    const sequence = this.lastSequence + 1;
    const state = matches ? "new" : "skipped";
    this.messages.push({
      sequence,
      matches,
      exists: true,
      state,
      dueAt: 0,
      deliveries: 0,
      counted: 0,
      suspicion: 0,
      behind: undefined,
      holders: [],
      deadLetter: undefined,
    });
  }

  /** What the owner reads from the log: so many sequences from where the cursor says. */
  page(from: number, length: number): LogPage | undefined {
    const through = Math.min(from + length - 1, this.lastSequence);
    const inPage = this.messages.filter(({ sequence }) => sequence >= from && sequence <= through);
    const sequences = inPage.filter(({ matches, exists }) => matches && exists).map(({ sequence }) => sequence);
    return length === 0 ? undefined : { from, through, sequences };
  }

  /** In the order in which they may go out at this moment beside others. */
  due(nowMs: number): ModelMessage[] {
    const waiting = this.in("waiting").filter((message) => message.dueAt <= nowMs && !this.#isSuspect(message));
    if (this.#config.maxInFlight === 1) {
      return waiting.filter((message) => message === this.unsettled[0]);
    }
    return inOrderOfTime(waiting);
  }

  /** The next that may go out alone. */
  dueSuspect(nowMs: number): ModelMessage | undefined {
    const waiting = this.in("waiting").filter((message) => message.dueAt <= nowMs && this.#isSuspect(message));
    return this.room() === 0 ? undefined : inOrderOfTime(waiting)[0];
  }

  /** Whether the holder is to get nothing beside what it has. */
  hasSuspect(holder: string): boolean {
    return this.inFlightOf(holder).some((message) => this.#isSuspect(message));
  }

  room(): number {
    return this.paused ? 0 : Math.max(0, this.#config.maxInFlight - this.in("inFlight").length);
  }

  roomForNew(): number {
    const { maxInFlight, maxUnsettled = MAX_UNSETTLED_MESSAGES } = this.#config;
    const isStrictlyHeldBack = maxInFlight === 1 && this.unsettled.length > 0;
    const unsettledRoom = Math.max(0, maxUnsettled - this.unsettled.length);
    return isStrictlyHeldBack ? 0 : Math.min(this.room(), unsettledRoom);
  }

  deliver(holder: string, options: { maxInFlight: number; limit: number; through: number; nowMs: number }): Delivery[] {
    const { maxInFlight, limit, through, nowMs } = options;
    const deliveries: Delivery[] = [];
    const nextNew = (): ModelMessage | undefined => this.in("new").find(({ sequence }) => sequence <= through);
    for (;;) {
      const hasRoom =
        deliveries.length < limit &&
        this.inFlightOf(holder).length < maxInFlight &&
        this.in("inFlight").length < this.#config.maxInFlight;
      const due = this.due(nowMs)[0];
      const behind = due && this.nextSequence - 1;
      const message = due ?? (this.roomForNew() > 0 ? nextNew() : undefined);
      if (this.paused || !hasRoom || message === undefined || this.hasSuspect(holder)) {
        break;
      }
      deliveries.push(this.#handOut(message, holder, { behind, nowMs }));
    }

    this.nextSequence = Math.max(this.nextSequence, nextNew()?.sequence ?? through + 1);
    return deliveries;
  }

  deliverSuspect(holder: string, nowMs: number): Delivery | undefined {
    const message = this.dueSuspect(nowMs);
    const behind = this.nextSequence - 1;
    const isFree = this.inFlightOf(holder).length === 0;
    return message && isFree ? this.#handOut(message, holder, { behind, nowMs }) : undefined;
  }

  ack(sequences: readonly number[]): void {
    for (const message of this.unsettled) {
      if (sequences.includes(message.sequence)) {
        this.#reach(message);
        message.state = "settled";
      }
    }
  }

  ackThrough(holder: string, through: number): void {
    for (const message of this.unsettled) {
      if (message.sequence <= through && message.holders.includes(holder)) {
        this.#reach(message);
        message.state = "settled";
      }
    }
  }

  nak({ holder, sequences, delayMs, nowMs }: NakRequest): void {
    for (const message of this.inFlightOf(holder)) {
      if (sequences.includes(message.sequence)) {
        this.#reach(message);
        message.holders.pop();
        message.suspicion = 0;
        this.#retry(message, nowMs + (delayMs ?? this.#backoff(message)), nowMs);
      }
    }
  }

  term({ sequences, reason, nowMs }: TermRequest): void {
    for (const message of this.unsettled) {
      if (sequences.includes(message.sequence)) {
        this.#reach(message);
        this.#die(message, reason ?? "term", nowMs);
      }
    }
  }

  working(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.inFlightOf(holder)) {
      if (sequences.includes(message.sequence)) {
        message.dueAt = nowMs + this.#config.ackWaitMs;
      }
    }
  }

  expire(nowMs: number): void {
    const failed = this.in("inFlight").filter(({ dueAt }) => dueAt <= nowMs);
    const guilty = failed.filter(({ sequence, behind = sequence, holders }) => {
      const holder = holders.at(-1) ?? "";
      return this.inFlightOf(holder).length === 1 || (this.reached.get(holder) ?? 0) > behind;
    });
    for (const message of failed) {
      this.#fail(message, guilty.includes(message), message.dueAt + this.#backoff(message), nowMs);
    }
  }

  revertDelivery(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.inFlightOf(holder)) {
      if (sequences.includes(message.sequence)) {
        message.holders.pop();
        message.state = "waiting";
        message.dueAt = nowMs;
        message.deliveries--;
        this.#spare(message);
      }
    }
  }

  markUncertain(holder: string, sequences: readonly number[], nowMs: number): void {
    for (const message of this.inFlightOf(holder)) {
      if (sequences.includes(message.sequence)) {
        message.state = "waiting";
        message.dueAt = Math.max(nowMs + this.#backoff(message), nowMs + UNSURE_WAIT_MS);
        this.#spare(message);
      }
    }
  }

  release(holder: string, isLost: boolean, nowMs: number, underway: readonly number[] = []): void {
    const released = this.messages.filter(({ sequence }) => !underway.includes(sequence));
    const held = this.inFlightOf(holder);
    for (const message of held.filter((one) => released.includes(one))) {
      if (isLost) {
        this.#fail(message, held.length === 1, nowMs, nowMs);
      } else {
        message.state = "waiting";
        message.dueAt = nowMs;
        this.#spare(message);
      }
    }
    for (const message of released) {
      message.holders = message.holders.filter((name) => name !== holder);
    }
  }

  delete(sequences: readonly number[]): void {
    for (const message of this.messages) {
      if (message.exists && sequences.includes(message.sequence)) {
        message.exists = false;
        this.#lose(message);
      }
    }
  }

  trim(through: number): void {
    this.delete(this.messages.map(({ sequence }) => sequence).filter((sequence) => sequence <= through));
    this.nextSequence = Math.max(this.nextSequence, through + 1);
  }

  /** Also what a consumer is that was deleted and made again, but for what was lost. */
  seek(nextSequence: number): void {
    this.reached.clear();
    this.nextSequence = nextSequence;
    for (const message of this.messages) {
      if (message.sequence >= nextSequence) {
        this.#forget(message, message.exists && message.matches ? "new" : "skipped");
      } else if (message.state !== "settled" && message.state !== "dead") {
        this.#forget(message, "skipped");
      }
    }
  }

  recreate(nextSequence: number): void {
    for (const message of this.messages) {
      this.#forget(message, "skipped");
    }
    this.lost = undefined;
    this.paused = false;
    this.seek(nextSequence);
  }

  configure(config: CursorConfig, nowMs: number): DeadLetter[] {
    this.#config = config;
    const exhausted = this.in("waiting").filter(({ counted }) => counted >= config.maxDeliver);
    exhausted.forEach((message) => this.#die(message, "maxDeliver", nowMs));
    return exhausted.flatMap(({ deadLetter }) => deadLetter ?? []);
  }

  requeue(sequences: readonly number[], nowMs: number): number[] {
    const taken: number[] = [];
    for (const sequence of sequences) {
      const message = this.in("dead").find((dead) => dead.sequence === sequence);
      if (message !== undefined && this.unsettled.length < (this.#config.maxUnsettled ?? MAX_UNSETTLED_MESSAGES)) {
        this.#forget(message, "waiting");
        message.dueAt = nowMs;
        taken.push(sequence);
      }
    }
    return taken;
  }

  nextDeadline(nowMs: number): number | undefined {
    const deadlines = this.in("inFlight").map(({ dueAt }) => dueAt);
    const times = [...deadlines, ...(this.paused ? [] : this.#nextToWaitFor(nowMs))];
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The redelivery times that are still ahead, unless one of its kind before it is only waiting for room. */
  #nextToWaitFor(nowMs: number): number[] {
    const isStrict = this.#config.maxInFlight === 1;
    const candidates = isStrict ? this.unsettled.slice(0, 1) : this.unsettled;
    const waiting = candidates.filter(({ state }) => state === "waiting");
    return [true, false]
      .map((isSuspect) => waiting.filter((message) => this.#isSuspect(message) === isSuspect))
      .map((kind) => Math.min(...kind.map(({ dueAt }) => dueAt)))
      .filter((earliest) => earliest > nowMs && earliest < Infinity);
  }

  /** In strict order everything is delivered alone. */
  #isSuspect({ suspicion }: ModelMessage): boolean {
    return suspicion === 2 && this.#config.maxInFlight > 1;
  }

  #reach({ sequence, behind, holders: [holder] }: ModelMessage): void {
    if (behind === undefined && holder !== undefined) {
      this.reached.set(holder, Math.max(sequence, this.reached.get(holder) ?? 0));
    }
  }

  #handOut(message: ModelMessage, holder: string, at: { behind: number | undefined; nowMs: number }): Delivery {
    const { behind, nowMs } = at;
    message.behind = behind;
    message.state = "inFlight";
    message.dueAt = nowMs + this.#config.ackWaitMs;
    message.deliveries++;
    message.counted++;
    message.holders = [...message.holders.filter((name) => name !== holder), holder];
    return { sequence: message.sequence, deliveryCount: message.deliveries };
  }

  #backoff({ counted }: ModelMessage): number {
    const { backoffMs } = this.#config;
    return backoffMs[Math.min(counted, backoffMs.length) - 1] ?? 0;
  }

  /** Its last delivery does not count, and one more is left, however low `maxDeliver` is by now. */
  #spare(message: ModelMessage): void {
    message.counted = Math.min(message.counted, this.#config.maxDeliver) - 1;
  }

  #fail(message: ModelMessage, isGuilty: boolean, dueAt: number, nowMs: number): void {
    if (!isGuilty) {
      this.#spare(message);
      message.suspicion = Math.min(message.suspicion + 1, 2);
    }
    this.#retry(message, dueAt, nowMs);
  }

  #retry(message: ModelMessage, dueAt: number, nowMs: number): void {
    if (message.counted >= this.#config.maxDeliver) {
      this.#die(message, "maxDeliver", nowMs);
    } else {
      message.state = "waiting";
      message.dueAt = dueAt;
    }
  }

  #die(message: ModelMessage, reason: string, nowMs: number): void {
    const { sequence, deliveries } = message;
    message.state = "dead";
    message.deadLetter = { sequence, deliveries, reason, deadAt: nowMs };
  }

  #lose(message: ModelMessage): void {
    if (message.state !== "new" && message.state !== "inFlight" && message.state !== "waiting") {
      return;
    }
    const { sequence } = message;
    const { from, to, total } = this.lost ?? { from: sequence, to: sequence, total: 0 };
    message.state = "lost";
    this.lost = { from: Math.min(from, sequence), to: Math.max(to, sequence), total: total + 1 };
  }

  #forget(message: ModelMessage, state: State): void {
    message.state = state;
    message.deliveries = 0;
    message.counted = 0;
    message.suspicion = 0;
    message.behind = undefined;
    message.holders = [];
    message.deadLetter = undefined;
  }
}

function inOrderOfTime(messages: readonly ModelMessage[]): ModelMessage[] {
  return messages.toSorted((a, b) => a.dueAt - b.dueAt || a.sequence - b.sequence);
}
