import type { ConsumerInfo, CreateConsumerParams, From, GetDeadLettersResult } from "../../../rpc/index.ts";
import type { Start } from "../../internal/calls.ts";
import type { DeadLetterPage, FetchReply, JoinCall, JoinReply, AckCommand } from "../../internal/consumer-calls.ts";
import { logError } from "../../platform/log.ts";

import { Consumer } from "./consumer.ts";
import { consumerConfig, expectRoom, expectSame, newConsumerId, withSkipped } from "./config.ts";
import type { ConsumerChanges } from "./config.ts";
import type { PushOutcome } from "./pusher.ts";
import { countNewMessages, passEarly, trimConsumers } from "./scan.ts";
import { Consumers } from "./table.ts";
import { DeadLetters } from "./dead-letters.ts";
import type { CoordinatorHost } from "./coordinator-host.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { AddressedBatch } from "./dispatcher.ts";
import { leaseHolder, leasesOf, newLease } from "./lease.ts";
import type { DeletionWatcher } from "../log/log.ts";
import { messagesAt } from "./next-messages.ts";
import { reconfigure } from "./reconfigure.ts";
import { RefusedError } from "../refuse.ts";
import { retryDeadLetters } from "./retry-dead-letters.ts";
import { applyAck } from "./apply-ack.ts";
import { Subscriber } from "./subscriber.ts";

/** Deadlines that lie this close together are looked after by one alarm. */
const ALARM_GRAIN_MS = 100;
const RETRY_MS = 5_000;

/**
 * The consumers of a stream: what is asked of them, and who gets what.
 *
 * Every request is one transaction: the change, the deliveries it makes room for, and each changed cursor written
 * once. What was handed out leaves after it.
 */
export class ConsumerCoordinator implements DeletionWatcher {
  readonly #host: CoordinatorHost;
  readonly #table: Consumers;
  readonly #deadLetters: DeadLetters;
  /** In the order of whose turn it is. */
  readonly #consumers = new Map<string, Consumer>();
  readonly #consumerOf = new Map<string, Consumer>();
  /** Handed out and not sent yet. */
  #batches: AddressedBatch[] = [];
  /** Whether the last turn ended before everything that could go out had. */
  #isBehind = false;

  constructor(sql: SqlStorage, host: CoordinatorHost) {
    this.#host = host;
    this.#table = new Consumers(sql);
    this.#deadLetters = new DeadLetters(sql);
    for (const consumer of this.#table.load()) {
      this.#consumers.set(consumer.name, consumer);
      for (const holder of consumer.subscribers.keys()) {
        this.#consumerOf.set(holder, consumer);
      }
    }
    host.log.watchDeletions(this);
    host.pusher.check(this.#consumers.values());
  }

  /** How many consumers there are. */
  get count(): number {
    return this.#consumers.size;
  }

  /** The gateways of all subscriptions. */
  get gateways(): Set<string> {
    const subscribers = [...this.#consumers.values()].flatMap((consumer) => [...consumer.subscribers.values()]);
    return new Set(subscribers.map(({ gateway }) => gateway));
  }

  has(name: string): boolean {
    return this.#consumers.has(name);
  }

  /** Makes a consumer, or tells how the same one stands; Conflict when it was made to be another. */
  create(
    { consumer: name, ...given }: Omit<CreateConsumerParams, "stream">,
    startAt: (from: From) => Start,
  ): ConsumerInfo {
    const config = consumerConfig(given);
    const existing = this.#consumers.get(name);
    if (existing !== undefined) {
      expectSame(existing.config, config);
      return this.info(name);
    }
    expectRoom("consumers", this.#consumers.size);
    const start = startAt(config.from);
    const consumer = Consumer.create({ id: newConsumerId(), name, config }, start);
    this.#run(() => {
      this.#table.insert(consumer);
      this.#consumers.set(name, consumer);
    });
    return withSkipped(this.#info(consumer), start.skipped);
  }

  /** Changes a consumer's config; what that makes dead goes to its dead letters. */
  update(name: string, changes: ConsumerChanges): ConsumerInfo {
    return this.#change(name, (consumer, nowMs) => {
      this.#deadLetters.add(consumer.id, reconfigure(consumer, changes, { log: this.#host.log, nowMs }));
      this.#table.saveConfig(consumer);
    });
  }

  info(name: string): ConsumerInfo {
    return this.#change(name, () => undefined);
  }

  /** How every consumer stands, by name. */
  list(): ConsumerInfo[] {
    this.#run(() => undefined);
    const byName = [...this.#consumers.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    countNewMessages(byName, this.#host.log);
    return byName.map((consumer) => this.#info(consumer));
  }

  /** Deletes a consumer, tells its subscriptions, and returns how it stood. */
  delete(name: string): ConsumerInfo {
    const consumer = this.#find(name);
    const info = this.#info(consumer);
    this.#run(() => {
      this.#table.delete(consumer);
      this.#deadLetters.deleteFrom(consumer.id, 0);
      this.#consumers.delete(name);
    });
    const subscribers = [...consumer.subscribers.values()];
    subscribers.forEach(({ holder }) => this.#consumerOf.delete(holder));
    this.#host.pusher.end(subscribers);
    return info;
  }

  pause(name: string, paused: boolean): ConsumerInfo {
    return this.#change(name, ({ cursor }) => cursor.setPaused(paused));
  }

  /** Starts a consumer over; its dead letters from there on are forgotten. */
  seek(name: string, start: Start): ConsumerInfo {
    const info = this.#change(name, (consumer) => {
      consumer.seek(start);
      this.#deadLetters.deleteFrom(consumer.id, start.nextSequence);
    });
    return withSkipped(info, start.skipped);
  }

  /** A subscription shares a consumer from now on. The same call again changes nothing. */
  join({ consumer: name, gateway, holder, maxInFlight }: JoinCall): Omit<JoinReply, "epoch"> {
    const consumer = this.#find(name);
    expectRoom("consumerSubscriptions", consumer.subscribers.size);
    return this.#run(() => {
      const { nextSequence } = consumer.cursor;
      if (!consumer.subscribers.has(holder)) {
        const subscriber = new Subscriber(holder, gateway, maxInFlight);
        this.#table.addSubscription(consumer, subscriber);
        consumer.subscribers.set(holder, subscriber);
        this.#consumerOf.set(holder, consumer);
      }
      return { nextSequence, lastSequence: this.#host.log.last };
    });
  }

  /**
   * Takes what subscriptions say of their messages, in order.
   *
   * @returns The holders that share no consumer here.
   */
  applyAcks(commands: readonly AckCommand[]): string[] {
    return this.#run((nowMs) => this.#applyAll(commands, nowMs));
  }

  /** Ends all subscriptions; what they hold comes again. */
  releaseAll(): void {
    this.applyAcks(Array.from(this.#consumerOf.keys(), (holder) => ({ kind: "release", holder, isLost: false })));
  }

  /**
   * Gives messages to a new lease.
   *
   * @returns Undefined when there may be some further on in the log, and it is somebody else's turn.
   */
  fetch(name: string, limit: number): FetchReply | undefined {
    const consumer = this.#find(name);
    expectRoom("consumerLeases", leasesOf(consumer).length);
    const { lease, holder } = newLease(consumer.id);
    return this.#run((nowMs) => {
      this.#expire(consumer, nowMs);
      const text = new Dispatcher(this.#host.log, nowMs).fetch(consumer, holder, limit);
      return text === undefined ? undefined : { epoch: this.#host.epoch, lease, text };
    });
  }

  /** Takes what the holder of a lease says of its messages; NotFound for a lease of another consumer. */
  ackLease(name: string, lease: string, command: (holder: string) => AckCommand): void {
    const consumer = this.#find(name);
    const holder = leaseHolder(lease, consumer.id);
    this.#run((nowMs) => this.#applyAck(consumer, command(holder), nowMs));
  }

  deadLetters(name: string, { from, limit }: DeadLetterPage): GetDeadLettersResult {
    const consumer = this.#find(name);
    this.#run(() => undefined);
    return { epoch: this.#host.epoch, deadLetters: this.#deadLetters.read(consumer.id, from, limit) };
  }

  /** Puts back dead letters, all or some of them, that still have their message; returns how many. */
  retryDeadLetters(name: string, sequences: readonly number[] | undefined): number {
    const consumer = this.#find(name);
    const letters = this.#deadLetters;
    return this.#run((nowMs) => retryDeadLetters(consumer, sequences, { letters, log: this.#host.log, nowMs }));
  }

  /** Forgets dead letters, all or some of them; returns how many. */
  deleteDeadLetters(name: string, sequences: readonly number[] | undefined): number {
    const { id } = this.#find(name);
    return this.#run(() => this.#deadLetters.delete(id, sequences));
  }

  /**
   * Looks after deadlines, and hands out what can go: after messages came or went, and when the alarm fires. Never
   * throws: what called for it is done already.
   */
  deliverDue(): void {
    this.#runAlone(() => undefined);
  }

  /**
   * Learns what became of parcels, and takes back what did not reach its subscription, or only perhaps. What came to
   * one that is over by now counts as delivered.
   */
  pushCompleted({ batches, unknown, isUnsure }: PushOutcome): void {
    const isOver = (holder: string) => unknown.includes(holder) || !this.#consumerOf.has(holder);
    if (!isUnsure && !batches.some(({ batch: { holder } }) => isOver(holder))) {
      return;
    }
    this.#runAlone((nowMs) => {
      for (const { consumer: name, sequences, batch } of batches) {
        const { holder } = batch;
        const consumer = this.#consumers.get(name);
        if (unknown.includes(holder)) {
          consumer?.cursor.revertDelivery(holder, sequences, nowMs);
        } else if (isUnsure) {
          consumer?.cursor.markUncertain(holder, sequences, nowMs);
        }
        if (consumer !== undefined && isOver(holder)) {
          this.#applyAck(consumer, { kind: "release", holder, isLost: this.#host.pusher.wasLost(holder) }, nowMs);
        }
      }
    });
  }

  /** Writes each cursor that changed; the end of every transaction of the stream. */
  save(): void {
    for (const consumer of this.#consumers.values()) {
      this.#table.save(consumer);
    }
  }

  /** Makes sure that the next deadline is looked after, whatever became of the alarm. */
  arm(nowMs: number): void {
    let atMs = this.#isBehind ? nowMs : Infinity;
    for (const { cursor } of this.#consumers.values()) {
      const deadline = cursor.nextDeadline(nowMs) ?? Infinity;
      atMs = Math.min(atMs, Math.ceil(deadline / ALARM_GRAIN_MS) * ALARM_GRAIN_MS);
    }
    if (atMs < Infinity) {
      this.#host.wakeBy(atMs, nowMs);
    }
  }

  beforeTrim(through: number): void {
    trimConsumers([...this.#consumers.values()], through, this.#host.log);
  }

  beforeDelete(sequences: readonly number[]): void {
    passEarly(this.#consumers.values(), this.#host.log);
    const messages = this.#consumers.size === 0 ? [] : messagesAt(this.#host.log, sequences);
    for (const consumer of this.#consumers.values()) {
      consumer.lose(messages);
    }
  }

  /** Changes one consumer, and tells how it stands then. */
  #change(name: string, act: (consumer: Consumer, nowMs: number) => void): ConsumerInfo {
    const consumer = this.#find(name);
    this.#run((nowMs) => act(consumer, nowMs));
    return this.#info(consumer);
  }

  #run<T>(act: (nowMs: number) => T): T {
    const nowMs = Date.now();
    const result = this.#host.change(() => {
      passEarly(this.#consumers.values(), this.#host.log);
      const done = act(nowMs);
      this.#deliver(nowMs);
      return done;
    });
    this.#host.pusher.send(this.#batches.splice(0));
    this.arm(nowMs);
    return result;
  }

  #runAlone(act: (nowMs: number) => void): void {
    if (this.#consumers.size === 0) {
      return;
    }
    try {
      this.#run(act);
    } catch (error) {
      logError("the consumers of a stream could not be served", error);
      this.#host.wakeBy(Date.now() + RETRY_MS, Date.now());
    }
  }

  #deliver(nowMs: number): void {
    const dispatcher = new Dispatcher(this.#host.log, nowMs);
    this.#isBehind = false;
    // A copy: the order changes on the way.
    for (const consumer of Array.from(this.#consumers.values())) {
      this.#expire(consumer, nowMs);
      const isServed = dispatcher.dispatch(consumer);
      if (!this.#isBehind) {
        // Should a later one not get its turn, it goes before this one next time, and before the one that used it up.
        this.#consumers.delete(consumer.name);
        this.#consumers.set(consumer.name, consumer);
      }
      this.#isBehind ||= !isServed;
    }
    this.#batches.push(...dispatcher.batches);
  }

  /** Takes back what passed its ack deadline; a lease with nothing in flight is over. */
  #expire(consumer: Consumer, nowMs: number): void {
    const { cursor } = consumer;
    const { version } = cursor;
    this.#deadLetters.add(consumer.id, cursor.expire(nowMs));
    if (cursor.version !== version) {
      leasesOf(consumer)
        .filter((holder) => cursor.inFlightOf(holder) === 0)
        .forEach((holder) => cursor.release({ holder, isLost: false, nowMs }));
    }
  }

  #applyAll(commands: readonly AckCommand[], nowMs: number): string[] {
    const unknown = new Set<string>();
    for (const command of commands) {
      const consumer = this.#consumerOf.get(command.holder);
      if (consumer === undefined) {
        unknown.add(command.holder);
      } else {
        this.#applyAck(consumer, command, nowMs);
      }
    }
    return [...unknown];
  }

  #applyAck(consumer: Consumer, command: AckCommand, nowMs: number): void {
    const underway = this.#host.pusher.underway(command.holder);
    this.#deadLetters.add(consumer.id, applyAck(consumer.cursor, command, { nowMs, underway }));
    if (command.kind === "ack") {
      // A late ack settles what has died meanwhile, too.
      this.#deadLetters.delete(consumer.id, command.sequences);
    }
    if (command.kind === "release") {
      this.#host.pusher.released(command);
      this.#table.deleteSubscription(command.holder);
      consumer.subscribers.delete(command.holder);
      this.#consumerOf.delete(command.holder);
    }
  }

  #info(consumer: Consumer): ConsumerInfo {
    countNewMessages([consumer], this.#host.log);
    return { epoch: this.#host.epoch, ...consumer.info(this.#host.log, this.#deadLetters.count(consumer.id)) };
  }

  #find(name: string): Consumer {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) {
      throw new RefusedError("NotFound", "no such consumer", { what: "consumer" });
    }
    return consumer;
  }
}
