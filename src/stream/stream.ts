import { DurableObject } from "cloudflare:workers";

import type {
  AckMessagesParams,
  ChangeDeadLettersParams,
  CheckpointResult,
  ConfigureStreamParams,
  ConsumerInfo,
  CreateConsumerParams,
  DeleteMessagesParams,
  DeleteMessagesResult,
  From,
  GetDeadLettersParams,
  GetDeadLettersResult,
  GetProducerParams,
  GetProducerResult,
  ListProducersParams,
  ListProducersResult,
  PutStateResult,
  SeekConsumerParams,
  StreamConfig,
  StreamInfo,
} from "../../rpc/index.ts";
import { AlarmClock } from "../platform/scheduling/alarm-clock.ts";
import type { CheckpointCall, PageCall, PublishCall, PublishReply, PutStateCall, Start } from "../internal/calls.ts";
import type { DeadLetterPage, FetchReply, JoinCall, JoinReply, AckCommand } from "../internal/consumer-calls.ts";
import type { Seen, StreamEnd } from "../internal/epoch.ts";
import { logError } from "../platform/log.ts";
import { refusable } from "../platform/refused.ts";
import type { Refused } from "../platform/refused.ts";
import { streamBytesOf } from "../platform/settings.ts";

import { admit, Admitted, publishReplies } from "./admission/admission.ts";
import { admissionState } from "./admission/admission-state.ts";
import { StorageGauge } from "./admission/storage-gauge.ts";
import { storeAdmitted } from "./admission/store.ts";
import { answerInTime } from "./scheduling/answer-in-time.ts";
import { CallTurns } from "./scheduling/call-turns.ts";
import { deleteInTurns, deletePart } from "./scheduling/delete-in-turns.ts";
import { GroupCommit } from "./scheduling/group-commit.ts";
import { applyAcksInTurns } from "./consumers/acks/turns.ts";
import type { ConsumerChanges } from "./consumers/config.ts";
import type { ConsumerCoordinator } from "./consumers/coordinator.ts";
import { DeadLetterCalls } from "./consumers/dead-letters/turns.ts";
import { Listing } from "./listing.ts";
import { inEpoch, loadStream, nextDropAt, producerInfo, producerList, streamInfo } from "./loaded-stream.ts";
import type { LoadedStream } from "./loaded-stream.ts";
import { expectEpoch, expectState, expectThrough, orRefused, RefusedError } from "./refuse.ts";
import { floorForAge, retentionFloor } from "./log/retention.ts";
import { expectSeen, expectStart, followFrom, readFrom, startOf } from "./start.ts";
import { PacedCalls } from "./scheduling/paced-calls.ts";
import { Sweeper } from "./sweeper.ts";
import { Transactor } from "./transactor.ts";

const ALARM_RETRY_MS = 30_000;

/**
 * The authority for one stream: sequences, log, dedup, state, retention, consumers. It does only what must be
 * serialised: it parses no client frame, knows no socket, and passes message text on unparsed.
 *
 * Memory is a cache of SQLite. It is read again after an eviction and after a transaction that failed. The first write
 * creates the stream; reads of a stream that was never used store nothing.
 */
export class Stream extends DurableObject<Env> {
  readonly #alarm = new AlarmClock(this.ctx.storage);
  readonly #transactor = new Transactor<LoadedStream>(
    this.ctx.storage,
    (transactor) => loadStream({ ctx: this.ctx, namespace: this.env.GATEWAY, alarm: this.#alarm, transactor }),
    () => this.#listing.start(),
  );
  readonly #listing = new Listing({ ctx: this.ctx, env: this.env, alarm: this.#alarm, transactor: this.#transactor });
  readonly #sweeper = new Sweeper(this.ctx, this.#alarm, this.#transactor);
  readonly #gauge = new StorageGauge(this.ctx.storage.sql, streamBytesOf(this.env), this.#transactor.deleted);
  readonly #paced = new PacedCalls();
  readonly #turns = new CallTurns();
  readonly #deadLetters = new DeadLetterCalls(this.#turns, (ask, epoch) => this.#atConsumers(ask, epoch));
  readonly #publishes = new GroupCommit((calls) => this.#commit(calls));

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    if (this.#loaded !== undefined || this.#transactor.deleted.isLeft) {
      void ctx.blockConcurrencyWhile(async () => {
        await this.#alarm.restore();
        this.#loaded?.consumers.deliverDue();
        this.#sweeper.start();
        this.#listing.start();
      });
    }
    // The last push may have been lost in a crash after its commit.
    this.#loaded?.fanOut.announce(this.#loaded.log, Date.now());
  }

  /**
   * Commits publish requests together, and with those of other gateways: one transaction, as few rows as their size
   * allows, one push to each gateway.
   *
   * @returns An outcome for each request. One that is refused does not affect the others.
   */
  async publish(call: PublishCall): Promise<PublishReply> {
    return this.#publishes.add(call);
  }

  /**
   * Reads a page of the log.
   *
   * @returns Undefined when the stream was never used; a refusal as in {@link expectStart}, or of {@link PacedCalls}.
   */
  async readPage(...call: PageCall): ReturnType<PacedCalls["read"]> {
    return this.#paced.read((...part) => this.#ifUsed(part[3], (loaded) => readFrom(loaded, ...part)), call);
  }

  /**
   * Pushes to a gateway from now on, and resolves where a new subscription of it starts. Creates the stream if there is
   * none.
   *
   * @param epoch The epoch of `from`: EpochChanged when the stream is in another one, NotFound when there is no stream.
   * @returns A refusal as in {@link expectStart}; nothing is created then.
   */
  follow(stream: string, gateway: string, from: From, epoch: string | undefined): Start | Refused {
    return orRefused(() => {
      expectStart(this.#current(), epoch, from);
      return this.#transactor.change(stream, Date.now(), (loaded) => {
        loaded.fanOut.follow(gateway, Date.now());
        return followFrom(loaded, from);
      });
    });
  }

  /**
   * The last sequence, for a gateway that checks whether it missed a push. Renews the gateway's lease.
   *
   * @param seen Positions that the gateway saw in the log. If one is not there, the stream was restored to an earlier
   *   state: it gets a new epoch, and every subscriber is told.
   * @returns How the epoch ended, if the stream is not in it any more.
   */
  position(gateway: string, epoch: string, seen: Seen[]): number | StreamEnd {
    const loaded = inEpoch(this.#withAlarm(), { epoch, seen }, this.#transactor);
    if (typeof loaded === "string") {
      return loaded;
    }
    loaded.fanOut.follow(gateway, Date.now());
    return loaded.log.last;
  }

  /** Deletes all messages through a sequence, or single ones, in turns. Undefined when the stream was never used. */
  async deleteMessages({ epoch, ...what }: DeleteMessagesParams): Promise<DeleteMessagesResult | Refused | undefined> {
    return deleteInTurns(this.#turns, what, (part) =>
      this.#ifUsed(epoch, ({ record }) =>
        this.#changeLog(record.name, Date.now(), (loaded) => deletePart(loaded, part)),
      ),
    );
  }

  /** The stream's info; undefined when it was never used. */
  info(): StreamInfo | undefined {
    const loaded = this.#current();
    return loaded === undefined ? undefined : streamInfo(loaded);
  }

  /** Where a producer is; epoch and sequence 0 for one that is not known. */
  getProducer({ producer, epoch }: GetProducerParams): GetProducerResult | Refused {
    const unknown = { producer: { id: producer, epoch: 0, sequence: 0 } };
    return this.#ifUsed(epoch, (loaded) => producerInfo(loaded, producer)) ?? unknown;
  }

  /** The producers that are known, by id; undefined when the stream was never used. */
  listProducers({ epoch, ...page }: ListProducersParams): ListProducersResult | Refused | undefined {
    return this.#ifUsed(epoch, (loaded) => producerList(loaded, page));
  }

  /** Changes the stream's config, and deletes at once what the new one does not keep. */
  configure({ stream, ...changes }: ConfigureStreamParams): StreamConfig {
    const nowMs = Date.now();
    const config = this.#changeLog(stream, nowMs, ({ record, log }) => {
      // The floor is computed from the config at each load: what the old config deleted must stay deleted.
      log.keepFloor();
      record.configure(changes);
      log.dropThrough(retentionFloor(log, record.config, nowMs));
      return record.config;
    });
    this.#setAlarm(nowMs, false);
    return config;
  }

  /**
   * Deletes the stream and everything in it. False when there is none, EpochChanged when it is in another epoch,
   * Unavailable when the Directory does not answer.
   */
  async destroy(epoch: string | undefined): Promise<boolean | Refused> {
    const record = this.#loaded?.record;
    if (record === undefined) {
      return false;
    }
    return orRefused(() => {
      expectEpoch(record.epoch, epoch);
      return refusable(() => this.#listing.end(record, () => this.#delete()));
    });
  }

  /** The state document as JSON text, and how often it was put. No epoch when the stream was never used. */
  getState(): { state: string; revision: number; epoch: string | undefined } {
    const record = this.#withAlarm()?.record;
    return { state: record?.state() ?? "null", revision: record?.revision ?? 0, epoch: record?.epoch };
  }

  /**
   * Replaces the state document.
   *
   * @param state JSON text.
   * @returns The new revision, or a refusal as in {@link expectState}; nothing is changed then.
   */
  putState({ stream, state, ...expected }: PutStateCall): PutStateResult | Refused {
    return orRefused(() => {
      expectState(this.#withAlarm()?.record, expected);
      return this.#transactor.change(stream, Date.now(), ({ record }) => record.putState(state));
    });
  }

  /**
   * Replaces the state document and deletes the messages that it covers, both or neither.
   *
   * @returns A refusal as in {@link expectState} and {@link expectThrough}; nothing is changed then.
   */
  checkpoint({ stream, state, through, ...expected }: CheckpointCall): CheckpointResult | Refused {
    return orRefused(() => {
      const loaded = this.#current();
      expectState(loaded?.record, expected);
      expectThrough(loaded, through);
      return this.#changeLog(stream, Date.now(), ({ record, log }) => ({
        ...record.putState(state),
        deleted: log.deleteThrough(through),
        firstSequence: log.firstSequence(),
      }));
    });
  }

  /**
   * Creates a consumer, and its stream if there is none. Idempotent.
   *
   * @returns Conflict when the consumer exists with another config, LimitReached when there are too many.
   */
  createConsumer({ stream, epoch, ...params }: CreateConsumerParams): ConsumerInfo | Refused {
    return orRefused(() => {
      const current = this.#current();
      // A consumer that exists compares `from` with its own config, whether or not the log still has that position.
      const isNew = current?.consumers.has(params.consumer) !== true;
      expectStart(current, epoch, isNew ? params.from : "first");
      const loaded = current ?? this.#transactor.change(stream, Date.now(), (created) => created);
      return loaded.consumers.create(params, (from) => startOf(loaded, from));
    });
  }

  /**
   * A consumer's info. This and the methods below return NotFound when there is no such stream or consumer, and
   * EpochChanged when an `epoch` is given that is not the stream's.
   */
  getConsumer(consumer: string): ConsumerInfo | Refused {
    return this.#atConsumers((consumers) => consumers.info(consumer));
  }

  /**
   * Changes a consumer's config, not its position. Idempotent.
   *
   * @returns Unavailable when the time is up before the scan of the log finds where a new filter begins, with nothing
   *   changed; the next call continues the scan.
   */
  async updateConsumer(consumer: string, changes: ConsumerChanges): Promise<ConsumerInfo | Refused> {
    return answerInTime(this.#turns, () => this.#atConsumers((consumers) => consumers.update(consumer, changes)));
  }

  /** The info of every consumer, sorted by name. */
  listConsumers(): ConsumerInfo[] | Refused {
    return this.#atConsumers((consumers) => consumers.list());
  }

  /** Deletes a consumer and its dead letters, and returns its last info. */
  async deleteConsumer(consumer: string): Promise<ConsumerInfo | Refused> {
    return this.#deadLetters.deleteConsumer(consumer);
  }

  /** Pauses or resumes a consumer's deliveries. Idempotent. */
  pauseConsumer(consumer: string, paused: boolean): ConsumerInfo | Refused {
    return this.#atConsumers((consumers) => consumers.pause(consumer, paused));
  }

  /** Moves a consumer to another position. */
  async seekConsumer(params: SeekConsumerParams): Promise<ConsumerInfo | Refused> {
    return this.#deadLetters.seek(params);
  }

  /**
   * Adds a subscription of a gateway to a consumer, until its `release`. Idempotent.
   *
   * @param others More of them, which join in the same transaction. A gateway of the version before has none.
   * @returns Conflict when the log does not have what the client says that it has seen, or a refusal of {@link PacedCalls};
   *   where there are others, what became of each.
   */
  async joinConsumer(call: JoinCall, others?: JoinCall[]): Promise<JoinReply | Refused | (JoinReply | Refused)[]> {
    const calls = [call, ...(others ?? [])];
    const replies = await this.#paced.join(calls.length, () =>
      this.#atConsumers((consumers, loaded) => consumers.join(calls, ({ seen }) => expectSeen(loaded, seen))),
    );
    return others === undefined ? (replies[0] ?? []) : replies;
  }

  /**
   * Applies the ack commands of subscriptions, in order and in turns. Idempotent.
   *
   * @param seen The newest messages that the gateway delivered to them; when the log does not have one, nothing is
   *   applied.
   * @returns The holders that are no subscription of a consumer; how the epoch ended, if the stream is not in it any
   *   more.
   */
  async applyAcks(epoch: string, commands: AckCommand[], seen: Seen[] = []): Promise<string[] | StreamEnd> {
    return applyAcksInTurns(commands, () => inEpoch(this.#current(), { epoch, seen }, this.#transactor));
  }

  /**
   * Delivers messages of a consumer, as joined text, to a new lease. The text is empty only when nothing can be
   * delivered.
   *
   * @param takesPieces Whether the text may come in pieces, as `LargeText` says.
   * @returns Unavailable when the time is up before the scan of the log finds a message that matches the filter; the
   *   next call continues the scan.
   */
  async fetchMessages(consumer: string, limit: number, takesPieces = false): Promise<FetchReply | Refused> {
    return answerInTime(this.#turns, () => this.#atConsumers((one) => one.fetch(consumer, limit, takesPieces)));
  }

  /** Acknowledges messages of a lease, or gives them back. Idempotent. */
  ackMessages({ consumer, lease, outcome = "ack", ...rest }: Omit<AckMessagesParams, "stream">): void | Refused {
    return this.#atConsumers((consumers) =>
      consumers.ackLease(consumer, lease, (holder) => ({ kind: outcome, holder, ...rest })),
    );
  }

  /** A consumer's dead letters from a sequence on. */
  getDeadLetters(asked: GetDeadLettersParams & DeadLetterPage): GetDeadLettersResult | Refused {
    return this.#atConsumers((consumers) => consumers.deadLetters(asked.consumer, asked), asked.epoch);
  }

  /** Makes dead letters due for delivery again, all or some of them, if the log has their message; returns how many. */
  async retryDeadLetters(params: ChangeDeadLettersParams): Promise<number | Refused> {
    return this.#deadLetters.retry(params);
  }

  /** Deletes dead letters, all or some of them; returns how many. */
  async deleteDeadLetters(params: ChangeDeadLettersParams): Promise<number | Refused> {
    return this.#deadLetters.delete(params);
  }

  /**
   * Deletes what is too old, and delivers what is due. Never throws: the runtime gives up an alarm whose handler failed
   * six times.
   */
  override alarm(): void {
    const nowMs = Date.now();
    this.#alarm.clear();
    try {
      this.#loaded?.consumers.deliverDue();
      const loaded = this.#current();
      this.#sweeper.resume();
      this.#listing.start();
      if (loaded !== undefined) {
        const purge = (one: LoadedStream) => one.publishIds.purge(nowMs - one.record.config.duplicateWindowMs);
        this.#setAlarm(nowMs, this.#changeLog(loaded.record.name, nowMs, purge));
      }
    } catch (error) {
      logError("the alarm of a stream failed", error, { stream: this.ctx.id.name ?? "" });
      this.#alarm.ensureBy(nowMs + ALARM_RETRY_MS, nowMs);
    }
  }

  get #loaded(): LoadedStream | undefined {
    return this.#transactor.loaded;
  }

  /**
   * The stream, for calls that read no log. Every call sets the consumers' alarm again, because it may have been lost.
   */
  #withAlarm(): LoadedStream | undefined {
    this.#loaded?.consumers.arm(Date.now());
    return this.#loaded;
  }

  /** The stream, after deleting what exceeds its age limit; undefined when it was never used. */
  #current(): LoadedStream | undefined {
    const loaded = this.#withAlarm();
    if (loaded === undefined) {
      return undefined;
    }
    const [nowMs, { log, record }] = [Date.now(), loaded];
    if (record.config.maxAgeMs !== undefined && floorForAge(log, nowMs - record.config.maxAgeMs) > log.floor) {
      this.#changeLog(record.name, nowMs, () => log.dropThrough(retentionFloor(log, record.config, nowMs)));
    }
    return this.#loaded;
  }

  /** Commits publish calls in their order. */
  #commit(calls: readonly PublishCall[]): PublishReply[] {
    const [nowMs, loaded] = [Date.now(), this.#current()];
    const admitted = new Admitted(admissionState(loaded, this.#gauge, nowMs));
    const decisions = calls.map((call) => admit(call, admitted));
    if (admitted.bodies.length > 0) {
      const previousPublishedAt = loaded?.log.lastPublishedAt ?? 0;
      const written = this.#changeLog(calls[0]?.stream ?? "", nowMs, (one) => storeAdmitted(one, admitted, nowMs));
      this.#loaded?.fanOut.push(written, { nowMs, previousPublishedAt });
      this.#setAlarm(nowMs, admitted.newIds.size > 0);
    }
    return publishReplies(decisions, admitted, this.#loaded?.record.epoch ?? "");
  }

  /** Changes the log, then delivers new messages, and others in place of deleted ones, to the consumers. */
  #changeLog<T>(stream: string, nowMs: number, change: (loaded: LoadedStream) => T): T {
    const changed = this.#transactor.change(stream, nowMs, change);
    this.#loaded?.consumers.deliverDue();
    this.#sweeper.start();
    return changed;
  }

  /** Reads or changes a stream that must be in the given epoch, if any; undefined when it was never used. */
  #ifUsed<T>(epoch: string | undefined, ask: (loaded: LoadedStream) => T): T | Refused | undefined {
    return orRefused(() => {
      const loaded = this.#current();
      expectEpoch(loaded?.record.epoch, epoch);
      return loaded && ask(loaded);
    });
  }

  /** Calls the consumers of a stream that must exist, in the given epoch, if any. */
  readonly #atConsumers = <T>(
    ask: (consumers: ConsumerCoordinator, loaded: LoadedStream) => T,
    epoch?: string,
  ): T | Refused =>
    orRefused(() => {
      const loaded = this.#current();
      if (loaded === undefined) {
        throw new RefusedError("NotFound", "no such stream", { what: "stream" });
      }
      expectEpoch(loaded.record.epoch, epoch);
      return ask(loaded.consumers, loaded);
    });

  async #delete(): Promise<true> {
    const loaded = this.#loaded;
    this.#alarm.clear();
    await this.#transactor.delete(loaded?.record.epoch ?? "");
    loaded?.fanOut.end("streamDeleted", loaded.consumers.gateways);
    this.#sweeper.start();
    return true;
  }

  /** Sets the alarm if something is to be deleted later: messages by age, or ids after their window. */
  #setAlarm(nowMs: number, hasIds: boolean): void {
    this.#alarm.ensureBy(this.#loaded && nextDropAt(this.#loaded, nowMs, hasIds), nowMs);
  }
}
