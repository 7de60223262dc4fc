import { ConsumerCursor } from "../../../src/stream/consumers/cursor/cursor.ts";
import { UnsettledTotal } from "../../../src/stream/consumers/cursor/unsettled-total.ts";
import { UNSURE_WAIT_MS } from "../../../src/stream/consumers/cursor/types.ts";
import type {
  CursorConfig,
  DeadLetter,
  Delivery,
  LogPage,
  LostMessages,
} from "../../../src/stream/consumers/cursor/types.ts";
import { unpackRuns } from "../../../src/stream/consumers/cursor/stored.ts";
import type { StoredCursor } from "../../../src/stream/consumers/cursor/stored.ts";

import { ConsumerModel } from "./model.ts";
import type { ModelMessage } from "./model.ts";

/** What every command is made of; each reads from it what it needs. */
export type Parameters = {
  readonly holder: string;
  /** Choose among whatever there is to choose from, each modulo the number of choices. */
  readonly picks: readonly number[];
  readonly amount: number;
};

/**
 * A cursor with its owner (the log, the dead letters, the stored row, the clock) beside the model, each command given
 * to both. `check` compares all that can be asked of them, and `deliver` keeps a history of its own.
 */
export class ConsumerWorld {
  config: CursorConfig;
  /** More than the config's when it was lowered while so many were: then it may only become less. */
  #mostInFlight: number;
  model: ConsumerModel;
  cursor: ConsumerCursor;
  nowMs = 1_000_000;
  readonly #deadLetters = new Map<number, DeadLetter>();
  /** Deliveries since it was last new, counted from 0 again when requeued. */
  readonly #delivered = new Map<number, number>();
  readonly #settled = new Set<number>();
  #stored: string;
  #storedVersion: number;

  constructor(config: CursorConfig) {
    this.config = config;
    this.#mostInFlight = config.maxInFlight;
    this.model = new ConsumerModel(config);
    this.cursor = new ConsumerCursor(config, { nextSequence: 1 }, new UnsettledTotal());
    this.#stored = JSON.stringify(this.cursor.toStored());
    this.#storedVersion = this.cursor.version;
  }

  pick(from: readonly ModelMessage[], picks: readonly number[]): number[] {
    return picks.flatMap((pick) => from[pick % from.length]?.sequence ?? []);
  }

  /** One message for each pick; a quarter of them do not match. */
  publish(picks: readonly number[]): void {
    picks.forEach((pick) => this.model.publish(pick % 4 !== 3));
  }

  deliver(holder: string, options: { maxInFlight?: number; limit?: number; page: LogPage | undefined }): void {
    const { maxInFlight = Infinity, limit = Infinity, page } = options;
    const { nowMs } = this;
    const expectedFirst = this.model.due(nowMs);
    const deliveries = this.cursor.deliver({ holder, maxInFlight, limit, page, nowMs });
    const expected = this.model.deliver(holder, { maxInFlight, limit, through: page?.through ?? 0, nowMs });

    assertSame(deliveries, expected, "deliveries");
    for (const [index, delivery] of deliveries.entries()) {
      this.#note(delivery);
      const { sequence } = delivery;
      assert(index >= expectedFirst.length || expectedFirst.some((due) => due.sequence === sequence), "new before due");
    }
  }

  deliverSuspect(holder: string): void {
    const isFree = this.cursor.inFlightOf(holder) === 0;
    const delivery = this.cursor.deliverSuspect(holder, this.nowMs);
    assertSame(delivery, this.model.deliverSuspect(holder, this.nowMs), "suspect delivered");
    if (delivery !== undefined) {
      this.#note(delivery);
      assert(isFree, "a suspect is delivered beside others");
    }
  }

  /** Acks that count: what was delivered, or put back, and is not over yet. */
  settle(sequences: readonly number[]): void {
    const before = this.model.unsettled.map(({ sequence }) => sequence);
    this.model.ack(sequences);
    const settled = before.filter((sequence) => sequences.includes(sequence));
    assertSame(this.cursor.ack(sequences), settled.length, "settled by ack");
    settled.forEach((sequence) => this.#settled.add(sequence));
  }

  settleThrough(holder: string, through: number): void {
    const before = this.model.in("settled").length;
    this.model.ackThrough(holder, through);
    const settled = this.model.in("settled");
    assertSame(this.cursor.ackThrough(holder, through), settled.length - before, "settled by ackThrough");
    settled.forEach(({ sequence }) => this.#settled.add(sequence));
  }

  /** At once, or in turns of so many and one more: that comes to the same. */
  expire(turn = Infinity): void {
    do {
      this.deadLetter(this.cursor.expire(this.nowMs, turn + 1));
    } while ((this.cursor.nextDeadline(this.nowMs) ?? Infinity) <= this.nowMs);
    this.model.expire(this.nowMs);
  }

  deadLetter(dead: readonly DeadLetter[]): void {
    for (const letter of dead) {
      assert(!this.#deadLetters.has(letter.sequence), `${letter.sequence} dies twice`);
      this.#deadLetters.set(letter.sequence, letter);
    }
  }

  /** What was never sent: the next delivery has the same number. */
  revertDelivery(holder: string, sequences: readonly number[]): void {
    const taken = this.model.inFlightOf(holder).filter(({ sequence }) => sequences.includes(sequence));
    for (const { sequence } of taken) {
      this.#delivered.set(sequence, (this.#delivered.get(sequence) ?? 0) - 1);
    }
    this.cursor.revertDelivery(holder, sequences, this.nowMs);
    this.model.revertDelivery(holder, sequences, this.nowMs);
  }

  /** Nothing dies of it when the holder leaves in order, nor when it had several. */
  release(holder: string, isLost: boolean, underway: readonly number[] = []): void {
    const isBlameless = !isLost || this.cursor.inFlightOf(holder) !== 1;
    const dead = this.cursor.release({ holder, isLost, underway: new Set(underway), nowMs: this.nowMs });
    assert(!isBlameless || dead.length === 0, "a message dies of what may have been another one's fault");
    this.deadLetter(dead);
    this.model.release(holder, isLost, this.nowMs, underway);
  }

  /** What was perhaps never sent: nothing dies of it, and the last delivery is still to come. */
  markUncertain(holder: string, sequences: readonly number[]): void {
    const doubted = this.model.inFlightOf(holder).filter(({ sequence }) => sequences.includes(sequence));
    this.cursor.markUncertain(holder, sequences, this.nowMs);
    this.model.markUncertain(holder, sequences, this.nowMs);
    const isWaiting = doubted.every(({ state, dueAt }) => state === "waiting" && dueAt >= this.nowMs + UNSURE_WAIT_MS);
    assert(isWaiting, "what was perhaps never sent does not wait to come again");
  }

  retryDeadLetters(sequences: readonly number[]): void {
    const existing = sequences.filter((sequence) => this.model.messages[sequence - 1]?.exists);
    const taken = this.cursor.requeue(existing, this.nowMs);
    assertSame(taken, this.model.requeue(existing, this.nowMs), "requeued");
    taken.forEach((sequence) => {
      this.#deadLetters.delete(sequence);
      this.#delivered.set(sequence, 0);
    });
  }

  trim(through: number): void {
    const from = this.cursor.nextSequence;
    const unread = this.model.in("new").filter(({ sequence }) => sequence >= from && sequence <= through);
    this.model.trim(through);
    this.cursor.trim(through, rangeOf(unread));
  }

  seek(nextSequence: number): void {
    this.cursor.seek(nextSequence);
    this.model.seek(nextSequence);
    this.#forgetFrom(nextSequence);
  }

  /** Another config for the same cursor; `maxUnsettled` is no part of what may change. */
  configure(config: CursorConfig): void {
    const { maxUnsettled } = this.config;
    this.config = maxUnsettled === undefined ? config : { ...config, maxUnsettled };
    const dead = this.cursor.configure(this.config, this.nowMs);
    assertSame(dead, this.model.configure(this.config, this.nowMs), "dead of another config");
    this.deadLetter(dead);
    this.#mostInFlight = Math.max(this.config.maxInFlight, this.model.in("inFlight").length);
  }

  recreate(nextSequence: number): void {
    this.cursor = new ConsumerCursor(this.config, { nextSequence }, new UnsettledTotal());
    this.model.recreate(nextSequence);
    this.#forgetFrom(1);
    this.#store();
  }

  /** From the row as last written, which is not after every command but after those that raised `version`. */
  restart(): void {
    const stored = JSON.parse(this.#stored) as StoredCursor;
    this.cursor = ConsumerCursor.fromStored(this.config, stored, new UnsettledTotal());
    this.model.nextSequence = stored.nextSequence;
    this.#storedVersion = this.cursor.version;
    assertSame(this.cursor.toStored(), stored, "stored again");
  }

  check(): void {
    if (this.cursor.version !== this.#storedVersion) {
      this.#store();
    }

    const { model, cursor, nowMs, config } = this;
    const stored = cursor.toStored();
    const { ackFloor, lost, paused, nextSequence } = model;
    const inFlight = model.in("inFlight").length;
    const waiting = model.in("waiting").length;
    const redelivered = model.unsettled.filter(({ deliveries }) => deliveries > 1).length;
    const due = model.due(nowMs).slice(0, model.room());

    assertSame(cursor.info(), { ackFloor, inFlight, waiting, redelivered, paused, lost }, "info");
    assertSame(unpackRuns(stored), model.unsettled.map(asUnsettled), "unsettled");
    assertSame({ ...JSON.parse(this.#stored), nextSequence }, { ...stored, nextSequence }, "stored for this version");
    assertSame(cursor.nextSequence, nextSequence, "nextSequence");
    assertSame(cursor.nextDeadline(nowMs), model.nextDeadline(nowMs), "nextDeadline");
    assertSame(
      cursor.dueSequences(nowMs, Infinity),
      due.map(({ sequence }) => sequence),
      "dueSequences",
    );
    assertSame(cursor.room, model.room(), "room");
    assertSame(cursor.roomForNew, model.roomForNew(), "roomForNew");
    const deadLetters = [...this.#deadLetters.values()].toSorted((a, b) => a.sequence - b.sequence);
    assertSame(deadLetters, model.deadLetters, "dead letters");
    assert(inFlight <= this.#mostInFlight, "more than maxInFlight in flight");
    this.#mostInFlight = Math.max(config.maxInFlight, inFlight);
    assert(inFlight + waiting <= (config.maxUnsettled ?? Infinity), "more than maxUnsettled");
    assert(
      model.in("new").every(({ sequence }) => sequence >= cursor.nextSequence),
      "a new message is passed over",
    );
    assertSame(cursor.dueSuspect(nowMs), model.dueSuspect(nowMs)?.sequence, "dueSuspect");
    for (const holder of HOLDERS) {
      const count = cursor.inFlightOf(holder);
      assertSame(count, model.inFlightOf(holder).length, `in flight of ${holder}`);
      assertSame(cursor.hasSuspect(holder), model.hasSuspect(holder), `whether ${holder} has a suspect`);
      assert(!cursor.hasSuspect(holder) || count === 1, "a suspect is in flight beside others");
      assertSame(cursor.roomOf(holder, 8), cursor.hasSuspect(holder) ? 0 : 8 - count, `room of ${holder}`);
    }
  }

  /** Lets time pass and acks everything until nothing more comes: then nothing may be left. */
  drain(): void {
    this.cursor.setPaused(false);
    this.model.paused = false;
    const left = (): ModelMessage[] => [...this.model.in("new"), ...this.model.unsettled];
    for (let round = 0; left().length > 0; round++) {
      assert(round < 1_000, `left after draining: ${JSON.stringify(left())}`);
      this.expire();
      this.deliverSuspect("drain");
      this.deliver("drain", { page: this.model.page(this.cursor.nextSequence, this.model.lastSequence) });
      this.settle(this.model.inFlightOf("drain").map(({ sequence }) => sequence));
      this.check();
      this.nowMs = this.cursor.nextDeadline(this.nowMs) ?? this.nowMs;
    }

    for (const { sequence, state } of this.model.in("settled")) {
      assert(this.#delivered.has(sequence), `${sequence} is ${state} and was never delivered`);
    }
  }

  #note({ sequence, deliveryCount }: Delivery): void {
    const count = (this.#delivered.get(sequence) ?? 0) + 1;
    this.#delivered.set(sequence, count);
    assertSame(deliveryCount, count, `deliveryCount of ${sequence}`);
    const counted = this.model.messages[sequence - 1]?.counted ?? Infinity;
    assert(counted <= this.config.maxDeliver, `${sequence} is delivered more than maxDeliver times that count`);
    assert(!this.#settled.has(sequence), `${sequence} is delivered again after it was settled`);
  }

  #forgetFrom(nextSequence: number): void {
    for (const { sequence } of this.model.messages.slice(nextSequence - 1)) {
      this.#deadLetters.delete(sequence);
      this.#delivered.delete(sequence);
      this.#settled.delete(sequence);
    }
  }

  #store(): void {
    this.#stored = JSON.stringify(this.cursor.toStored());
    this.#storedVersion = this.cursor.version;
  }
}

export const HOLDERS = ["a", "b", "c"] as const;

function asUnsettled(message: ModelMessage): object {
  const { sequence, state, dueAt, deliveries, counted, suspicion, behind, holders } = message;
  return { sequence, state, dueAt, deliveries, uncounted: deliveries - counted, suspicion, behind, holders };
}

function rangeOf(messages: readonly ModelMessage[]): LostMessages | undefined {
  const [first, last] = [messages.at(0), messages.at(-1)];
  return first && last && { from: first.sequence, to: last.sequence, total: messages.length };
}

function assertSame(actual: unknown, expected: unknown, what: string): void {
  const [actualText, expectedText] = [JSON.stringify(actual), JSON.stringify(expected)];
  assert(actualText === expectedText, `${what}: ${actualText} instead of ${expectedText}`);
}

function assert(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) {
    throw new Error(what);
  }
}
