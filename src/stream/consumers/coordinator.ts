import type { ConsumerInfo, CreateConsumerParams, From, GetDeadLettersResult } from "../../../rpc/index.ts";
import type { Start } from "../../internal/calls.ts";
import { socketOf } from "../../internal/consumer-calls.ts";
import type { AckCommand, DeadLetterPage, FetchReply, JoinCall, JoinReply } from "../../internal/consumer-calls.ts";
import { inPieces } from "../../internal/pieces.ts";
import { logError } from "../../platform/log.ts";
import type { Refused } from "../../platform/refused.ts";
import type { AlarmClock } from "../../platform/scheduling/alarm-clock.ts";
import type { Log } from "../log/log.ts";
import { orRefused } from "../refuse.ts";
import type { Transactor } from "../transactor.ts";

import { applyTurn } from "./acks/turn.ts";
import type { AcksTurn } from "./acks/turn.ts";
import { applyAck } from "./acks/apply-ack.ts";
import type { ChangeLetters } from "./dead-letters/change-dead-letters.ts";
import { consumerConfig, expectRoom, expectSame, newConsumerId, withSkipped } from "./config.ts";
import type { ConsumerChanges } from "./config.ts";
import { Consumer } from "./consumer.ts";
import { DeadLetters } from "./dead-letters/dead-letters.ts";
import type { LettersTurn } from "./dead-letters/dead-letters.ts";
import { Dispatcher } from "./delivery/dispatcher.ts";
import { DeliveryTurns } from "./delivery/delivery-turns.ts";
import { expire } from "./acks/expire.ts";
import { leaseHolder, leasesOf, newLease } from "./lease.ts";
import { LogReader } from "./delivery/log-reader.ts";
import { DeliveryPusher } from "./delivery/pusher.ts";
import type { PushOutcome } from "./delivery/pusher.ts";
import { Releases } from "./delivery/releases.ts";
import type { Release } from "./delivery/releases.ts";
import { reconfigure } from "./reconfigure.ts";
import { ConsumerDeletions } from "./deletions.ts";
import { passEarly } from "./new-messages.ts";
import { PendingCounter } from "./pending-counter.ts";
import { takeBack } from "./delivery/take-back.ts";
import { Consumers } from "./table.ts";

/** Deadlines are rounded up to a multiple of this, so that one alarm serves those that are close together. */
const ALARM_GRAIN_MS = 100;
const RETRY_MS = 5_000;
/** When the alarm goes on with turns that an eviction has interrupted. */
const RESUME_MS = 1_000;

/** What a coordinator uses of its stream. */
type CoordinatorHost = {
  readonly ctx: DurableObjectState;
  readonly namespace: Env["GATEWAY"];
  readonly alarm: AlarmClock;
  readonly transactor: Transactor<{ readonly consumers: ConsumerCoordinator }>;
  readonly stream: { readonly name: string; readonly epoch: string };
  readonly log: Log;
};

/**
 * The consumers of a stream: answers every request about them, and decides who gets which message.
 *
 * A request that changes something is one transaction: the change, the deliveries that it makes room for, and one write
 * for each cursor that changed. Batches are pushed after it.
 */
export class ConsumerCoordinator {
  readonly #alarm: AlarmClock;
  readonly #transactor: CoordinatorHost["transactor"];
  readonly #stream: CoordinatorHost["stream"];
  readonly #log: Log;
  readonly #consumers: Consumers;
  readonly #deadLetters: DeadLetters;
  readonly #reader: LogReader;
  readonly #counter: PendingCounter;
  readonly #pusher: DeliveryPusher;
  readonly #deliveries: DeliveryTurns;
  readonly #releases: Releases;

  constructor(host: CoordinatorHost) {
    const { sql } = host.ctx.storage;
    this.#alarm = host.alarm;
    this.#transactor = host.transactor;
    this.#stream = host.stream;
    this.#log = host.log;
    this.#reader = new LogReader(host.log);
    this.#consumers = new Consumers(sql);
    this.#deadLetters = new DeadLetters(sql);
    const isCurrent = () => host.transactor.loaded?.consumers === this;
    this.#counter = new PendingCounter(host, this.#consumers, isCurrent);
    host.log.watchDeletions(new ConsumerDeletions(this.#consumers, this.#reader, this.#counter));
    // A failed transaction may have replaced this coordinator before a push completes: the outcome goes to the current
    // one.
    this.#pusher = new DeliveryPusher(host, (outcome) => host.transactor.loaded?.consumers.pushCompleted(outcome));
    const turns = { ctx: host.ctx, isCurrent, failed: this.#deferred.bind(this), consumers: this.#consumers };
    this.#deliveries = new DeliveryTurns({ ...turns, deadLetters: this.#deadLetters, reader: this.#reader }, () =>
      this.#deliverDue(),
    );
    this.#releases = new Releases({ ...turns, apply: this.#applyAck.bind(this) }, () =>
      this.#change((nowMs) => this.#releases.applySome(nowMs)),
    );
    this.#pusher.check(this.#consumers.all);
  }

  /** Number of consumers. */
  get count(): number {
    return this.#consumers.size;
  }

  /** The gateways of all subscriptions. */
  get gateways(): Set<string> {
    return this.#consumers.gateways;
  }

  has(name: string): boolean {
    return this.#consumers.get(name) !== undefined;
  }

  /** Creates a consumer. Returns the info of one that exists with the same config; Conflict if its config differs. */
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
    const consumer = Consumer.create({ id: newConsumerId(), name, config }, start, this.#consumers.unsettled);
    this.#change(() => this.#consumers.insert(consumer));
    return withSkipped(this.#info(consumer), start.skipped);
  }

  /**
   * Changes a consumer's config. A lower `maxDeliver` may make messages dead letters.
   *
   * @returns Undefined when the scan of the log for where a new filter begins stopped at its bounds; call again.
   */
  update(name: string, changes: ConsumerChanges): ConsumerInfo | undefined {
    const consumer = this.#consumers.find(name);
    const isChanged = this.#change((nowMs) => {
      const dead = reconfigure(consumer, changes, { sources: this.#counter.sources(), nowMs });
      if (dead !== undefined) {
        this.#deadLetters.add(consumer.id, dead);
        this.#consumers.saveConfig(consumer);
      }
      return dead !== undefined;
    });
    return isChanged ? this.#info(consumer) : undefined;
  }

  info(name: string): ConsumerInfo {
    const consumer = this.#consumers.find(name);
    this.#deliverDue();
    return this.#info(consumer);
  }

  /** The info of every consumer, sorted by name. */
  list(): ConsumerInfo[] {
    this.#deliverDue();
    const byName = this.#consumers.all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#counter.count(byName);
    return byName.map((consumer) => this.#infoSoFar(consumer));
  }

  /** Deletes a consumer, ends its subscriptions, and returns its last info. */
  delete(name: string): ConsumerInfo {
    const consumer = this.#consumers.find(name);
    const info = this.#info(consumer);
    this.#change(() => {
      this.#consumers.delete(consumer);
      this.#deadLetters.deleteFrom(consumer.id, 0);
    });
    this.#pusher.end([...consumer.subscribers.values()]);
    return info;
  }

  pause(name: string, paused: boolean): ConsumerInfo {
    return this.#changeOne(name, ({ cursor }) => cursor.setPaused(paused));
  }

  /** Moves a consumer to another position, and deletes its dead letters from there on. */
  seek(name: string, start: Start): ConsumerInfo {
    const info = this.#changeOne(name, (consumer) => {
      consumer.seek(start);
      this.#deadLetters.deleteFrom(consumer.id, start.nextSequence);
    });
    return withSkipped(info, start.skipped);
  }

  /** Adds subscriptions to consumers. Idempotent. @param check Throws a RefusedError for a call that is not to be done. */
  join(calls: readonly JoinCall[], check: (call: JoinCall) => void): (JoinReply | Refused)[] {
    return this.#change(() => calls.map((call) => orRefused(() => this.#join(call, check))));
  }

  /** The id of the consumer of a subscription. */
  idOf(holder: string): number | undefined {
    return this.#consumers.ofHolder(holder)?.id;
  }

  /** Applies ack commands of subscriptions, in order, as many as one turn may. */
  applyAcks(commands: readonly AckCommand[]): AcksTurn {
    return this.#change((nowMs) =>
      applyTurn(
        commands,
        ({ holder }) => this.#consumers.ofHolder(holder),
        (consumer, command) => {
          this.#consumers.heard(command.holder);
          this.#applyAck(consumer, command, nowMs);
        },
      ),
    );
  }

  /** Ends all subscriptions; what they have in flight is redelivered. */
  releaseAll(): void {
    this.#change((nowMs) => {
      for (const consumer of this.#consumers.all) {
        for (const holder of consumer.subscribers.keys()) {
          this.#applyAck(consumer, { kind: "release", holder, isLost: false }, nowMs);
        }
      }
    });
  }

  /**
   * Delivers messages to a new lease.
   *
   * @param takesPieces Whether the text may come in pieces, as `LargeText` says.
   * @returns Undefined when the scan of the log stopped at its bounds before it found a message; call again.
   */
  fetch(name: string, limit: number, takesPieces: boolean): FetchReply | undefined {
    const consumer = this.#consumers.find(name);
    expectRoom("consumerLeases", leasesOf(consumer).length);
    const { lease, holder } = newLease(consumer.id);
    return this.#change((nowMs) => {
      expire([consumer], this.#deadLetters, nowMs);
      const text = Dispatcher.forFetch(this.#reader, nowMs).fetch(consumer, holder, limit);
      return text === undefined ? undefined : inPieces({ epoch: this.#stream.epoch, lease, text }, takesPieces);
    });
  }

  /** Applies the ack command of a lease's holder; NotFound for a lease of another consumer. */
  ackLease(name: string, lease: string, command: (holder: string) => AckCommand): void {
    const consumer = this.#consumers.find(name);
    const holder = leaseHolder(lease, consumer.id);
    this.#change((nowMs) => this.#applyAck(consumer, command(holder), nowMs));
  }

  deadLetters(name: string, { from, limit }: DeadLetterPage): GetDeadLettersResult {
    const consumer = this.#consumers.find(name);
    this.#deliverDue();
    return { epoch: this.#stream.epoch, deadLetters: this.#deadLetters.read(consumer.id, from, limit) };
  }

  /** Changes dead letters of a consumer, in one turn. */
  changeDeadLetters(name: string, { change, from }: { change: ChangeLetters; from: number }): LettersTurn {
    const [consumer, letters] = [this.#consumers.find(name), this.#deadLetters];
    return this.#change((nowMs) => change(consumer, from, { letters, log: this.#log, nowMs }));
  }

  /**
   * Takes back what passed its ack deadline, and delivers what can be delivered, as much as one turn may and the rest in
   * further ones: after messages were added or deleted, and when the alarm fires. Never throws: the caller has committed
   * its own change already.
   */
  deliverDue(): void {
    this.#attempt(() => this.#deliverDue());
  }

  /**
   * Takes back the batches of a push that certainly or possibly did not reach their subscription. What reached a
   * subscription that was released meanwhile counts as delivered. Subscriptions that are over are released, in turns.
   */
  pushCompleted({ batches, unknown, full, isUnsure }: PushOutcome): void {
    const over = batches.flatMap(({ consumer, batch: { holder } }): Release[] =>
      unknown.has(holder) || this.#consumers.ofHolder(holder) === undefined
        ? [{ kind: "release", consumer, holder, isLost: this.#pusher.wasLost(holder) }]
        : [],
    );
    if (!isUnsure && full.size === 0 && over.length === 0) {
      return;
    }
    this.#attempt(() =>
      this.#change((nowMs) => {
        full.forEach(({ batch }) => this.#consumers.fullSockets.add(socketOf(batch.holder)));
        for (const addressed of batches) {
          takeBack(this.#consumers.get(addressed.consumer), addressed, { unknown, full, isUnsure, nowMs });
        }
        this.#releases.add(over);
        this.#releases.applySome(nowMs);
      }),
    );
    this.#releases.goOn();
  }

  /** Writes each cursor that changed; the last step of every transaction of the stream. */
  save(): void {
    this.#consumers.save();
  }

  /** Sets the alarm for the next deadline. Called often, because an alarm can be lost. */
  arm(nowMs: number): void {
    const deadlines = this.#consumers.all.map((consumer) => consumer.nextDeadline(nowMs));
    const dueAtMs = Math.ceil(Math.min(Infinity, ...deadlines) / ALARM_GRAIN_MS) * ALARM_GRAIN_MS;
    const isBehind = this.#deliveries.isBehind || this.#releases.isLeft;
    const atMs = isBehind ? nowMs + RESUME_MS : dueAtMs;
    if (atMs < Infinity) {
      this.#alarm.ensureBy(atMs, nowMs);
    }
  }

  #join(call: JoinCall, check: (call: JoinCall) => void): JoinReply {
    check(call);
    const consumer = this.#consumers.find(call.consumer);
    expectRoom("consumerSubscriptions", consumer.subscribers.size);
    const { nextSequence } = consumer.cursor;
    if (!consumer.subscribers.has(call.holder)) {
      this.#consumers.addSubscription(consumer, call);
    }
    return { epoch: this.#stream.epoch, nextSequence, lastSequence: this.#log.last };
  }

  /** Changes one consumer, and returns its info after that. */
  #changeOne(name: string, act: (consumer: Consumer, nowMs: number) => void): ConsumerInfo {
    const consumer = this.#consumers.find(name);
    this.#change((nowMs) => act(consumer, nowMs));
    return this.#info(consumer);
  }

  /** Makes a change, and takes back and delivers as much as a turn may, in one transaction. */
  #change<T>(act: (nowMs: number) => T): T {
    return this.#commit((nowMs) => {
      const result = act(nowMs);
      this.#deliveries.deliver(nowMs);
      return result;
    });
  }

  /** Takes back what is overdue, and delivers what is due by now, as much as a turn may. */
  #deliverDue(): void {
    this.#commit((nowMs) => this.#deliveries.deliver(nowMs));
  }

  /** Runs one transaction, pushes the batches that it made, and sets the alarm for the next deadline. */
  #commit<T>(act: (nowMs: number) => T): T {
    const nowMs = Date.now();
    const result = this.#transactor.change(this.#stream.name, nowMs, () => {
      passEarly(this.#consumers.all, this.#log);
      return act(nowMs);
    });
    this.#pusher.send(this.#deliveries.take());
    this.arm(nowMs);
    return result;
  }

  /** Runs what no caller waits for: a failure is logged, and the alarm tries again. */
  #attempt(act: () => void): void {
    if (this.#consumers.size === 0) {
      return;
    }
    try {
      act();
    } catch (error) {
      this.#deferred(error);
    }
  }

  #deferred(error: unknown): void {
    logError("the consumers of a stream could not be served", error, { stream: this.#stream.name });
    this.#alarm.ensureBy(Date.now() + RETRY_MS, Date.now());
  }

  #applyAck(consumer: Consumer, command: AckCommand, nowMs: number): void {
    const underway = () => this.#pusher.underway(command.holder);
    applyAck(consumer, command, { deadLetters: this.#deadLetters, nowMs, underway });
    if (command.kind === "release") {
      this.#pusher.released(command);
      this.#consumers.deleteSubscription(command.holder);
    }
  }

  #info(consumer: Consumer): ConsumerInfo {
    this.#counter.count([consumer]);
    return this.#infoSoFar(consumer);
  }

  #infoSoFar(consumer: Consumer): ConsumerInfo {
    return { epoch: this.#stream.epoch, ...consumer.info(this.#log, this.#deadLetters.count(consumer.id)) };
  }
}
