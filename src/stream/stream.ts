import { DurableObject } from "cloudflare:workers";

import { LIMITS } from "../../rpc/index.ts";
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
  PutStateResult,
  SeekConsumerParams,
  StreamConfig,
  StreamInfo,
} from "../../rpc/index.ts";
import { AlarmClock } from "../platform/alarm-clock.ts";
import type {
  CheckpointCall,
  Page,
  PublishCall,
  PublishReply,
  PutStateCall,
  Refused,
  Start,
} from "../internal/calls.ts";
import type { DeadLetterPage, FetchReply, JoinCall, JoinReply, AckCommand } from "../internal/consumer-calls.ts";
import { endOf } from "../internal/epoch.ts";
import type { Seen, StreamEnd } from "../internal/epoch.ts";
import { logError } from "../platform/log.ts";
import { streamBytesOf } from "../platform/settings.ts";

import { admit, publishReply } from "./admission/admission.ts";
import { admissionState } from "./admission/admission-state.ts";
import type { ConsumerChanges } from "./consumers/config.ts";
import type { ConsumerCoordinator } from "./consumers/coordinator.ts";
import { branchStream, loadStream, nextDropAt, streamInfo } from "./loaded-stream.ts";
import type { LoadedStream } from "./loaded-stream.ts";
import { expectEpoch, expectState, expectThrough, orRefused, refuse, RefusedError } from "./refuse.ts";
import { retentionFloor, rowBytes } from "./log/retention.ts";
import { expectStart, followFrom, holds, readFrom, startOf } from "./start.ts";
import { Transactor } from "./transactor.ts";

const ALARM_RETRY_MS = 30_000;

/**
 * The authority for one stream: sequences, log, dedup, state, retention, consumers. It does only what must be serialised: it
 * parses no client frame, knows no socket, and passes messages on as the text it got.
 *
 * Memory is a cache of SQLite: what is here is read back after every eviction and after every transaction that failed.
 * A stream comes to be with the first write; reads of one that never was find nothing and store nothing.
 */
export class Stream extends DurableObject<Env> {
  readonly #alarm = new AlarmClock(this.ctx.storage);
  readonly #transactor = new Transactor<LoadedStream>(this.ctx.storage, (transactor) =>
    loadStream({ ctx: this.ctx, namespace: this.env.GATEWAY, alarm: this.#alarm, transactor }),
  );

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const loaded = this.#transactor.loaded;
    if (loaded !== undefined) {
      void ctx.blockConcurrencyWhile(async () => {
        await this.#alarm.restore();
        this.#loaded?.consumers.deliverDue();
      });
      // A crash may have come between a commit and its push.
      loaded.fanOut.announce(loaded.log, Date.now());
    }
  }

  /**
   * Commits publish requests together: one transaction, as few rows as their size allows, one push to each gateway.
   *
   * @returns An outcome for each request; a refused one does not touch its neighbours.
   */
  publish(call: PublishCall): PublishReply {
    const nowMs = Date.now();
    const loaded = this.#current();
    const storage = { nowMs, streamBytes: streamBytesOf(this.env), usedBytes: this.ctx.storage.sql.databaseSize };
    const admission = admit(call, admissionState(loaded, storage));
    const previousPublishedAt = loaded?.log.lastPublishedAt ?? 0;
    const publishedAt = Math.max(nowMs, previousPublishedAt);
    if (admission.bodies.length > 0) {
      const written = this.#changeLog(call.stream, nowMs, ({ record, log, publishIds }) => {
        const row = { publishedAt, rowBytes: rowBytes(record.config) };
        const ranges = log.append(admission.bodies, admission.bytes, row);
        publishIds.add(admission.ids, publishedAt);
        log.dropThrough(retentionFloor(log, record.config, nowMs));
        return ranges;
      });
      this.#loaded?.fanOut.push(written, { nowMs, previousPublishedAt });
      this.#setAlarm(nowMs, admission.ids.length > 0);
    }
    return publishReply(admission, { epoch: this.#loaded?.record.epoch ?? "", publishedAt });
  }

  /**
   * Reads a page of the log from `from` on.
   *
   * @param maxMessages Most sequences the page covers.
   * @param maxBytes Text at which the page takes no further row.
   * @param epoch The life that `from` is of, as in {@link follow}.
   * @returns Undefined when the stream was never used; Conflict as in {@link refuseStart}.
   */
  readPage(from: From, maxMessages: number, maxBytes: number, epoch?: string): Page | Refused | undefined {
    return this.#ifUsed(epoch, (loaded) => {
      expectStart(loaded, epoch, from);
      return readFrom(loaded, from, { messages: maxMessages, bytes: maxBytes });
    });
  }

  /**
   * A gateway follows from now on, and tells where a subscription of its begins.
   *
   * @param epoch The life of the stream that is meant; EpochChanged when it is another, NotFound when it is over and
   *   there is none.
   * @returns Conflict as in {@link refuseStart}: nothing is made then.
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
   * How far the log goes, for a gateway that checks whether it has missed something. Renews its lease.
   *
   * @param seen How far the gateway saw the log go. A stream that does not have that was put back to an earlier state: its
   *   epoch changes, so that everybody who knew more of it is told.
   * @returns Why it is over, when that epoch is.
   */
  position(gateway: string, epoch: string, seen: Seen[]): number | StreamEnd {
    const loaded = this.#withAlarm();
    if (loaded?.record.epoch !== epoch) {
      return endOf(epoch, loaded?.record.epoch);
    }
    if (!seen.every((one) => holds(loaded.log, one))) {
      branchStream(loaded, this.#transactor);
      return "streamRestored";
    }
    loaded.fanOut.follow(gateway, Date.now());
    return loaded.log.last;
  }

  /** Deletes messages up to a sequence, or single ones; undefined when the stream was never used. */
  deleteMessages({ epoch, ...what }: DeleteMessagesParams): DeleteMessagesResult | Refused | undefined {
    return this.#ifUsed(epoch, ({ record, log }) => {
      const deleted = this.#changeLog(record.name, Date.now(), () =>
        "through" in what ? log.deleteThrough(what.through) : log.deleteSequences(what.sequences),
      );
      return { epoch: record.epoch, deleted, firstSequence: log.firstSequence(), lastSequence: log.last };
    });
  }

  /** What is known of the stream; undefined when it was never used. */
  info(): StreamInfo | undefined {
    const loaded = this.#current();
    return loaded === undefined ? undefined : streamInfo(loaded);
  }

  /** Changes what the stream keeps, and drops at once what it no longer does. */
  configure({ stream, ...changes }: ConfigureStreamParams): StreamConfig {
    const nowMs = Date.now();
    const config = this.#changeLog(stream, nowMs, ({ record, log }) => {
      // What the old config dropped stays dropped under the new one.
      log.keepFloor();
      record.configure(changes);
      log.dropThrough(retentionFloor(log, record.config, nowMs));
      return record.config;
    });
    this.#setAlarm(nowMs, false);
    return config;
  }

  /** Deletes the stream with all it holds; false when there was none, EpochChanged when it is not in that life. */
  async destroy(epoch: string | undefined): Promise<boolean | Refused> {
    const loaded = this.#loaded;
    if (loaded === undefined) {
      return false;
    }
    return orRefused(() => {
      expectEpoch(loaded.record.epoch, epoch);
      return this.#deleteAll(loaded);
    });
  }

  /** The state document as JSON text, and how often it was put; without an epoch when the stream was never used. */
  getState(): { state: string; revision: number; epoch: string | undefined } {
    const record = this.#withAlarm()?.record;
    return { state: record?.state() ?? "null", revision: record?.revision ?? 0, epoch: record?.epoch };
  }

  /**
   * Replaces the state document.
   *
   * @param state JSON text.
   * @returns The new revision; a refusal unless the state is as expected, and then nothing is changed.
   */
  putState({ stream, state, ...expected }: PutStateCall): PutStateResult | Refused {
    return orRefused(() => {
      expectState(this.#withAlarm()?.record, expected);
      return this.#transactor.change(stream, Date.now(), ({ record }) => record.putState(state));
    });
  }

  /**
   * Replaces the state document and deletes the messages it covers, both or neither.
   *
   * @returns A refusal unless the state is as expected, and Conflict where nobody could go on behind what is covered:
   *   `lastSequence` when `through` is beyond it, `firstSequence` when messages behind `through` are deleted already.
   *   Either way nothing is changed.
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
   * Makes a consumer, and its stream if there is none. The same call again tells how the consumer stands.
   *
   * @returns Conflict for a consumer that was made to be another, LimitReached when there are too many.
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
   * How a consumer stands. This and all that follow are NotFound when there is no such stream or consumer, and
   * EpochChanged when an `epoch` is given that is not the stream's.
   */
  getConsumer(consumer: string): ConsumerInfo | Refused {
    return this.#atConsumers((consumers) => consumers.info(consumer));
  }

  /** Changes a consumer's config without moving it. Safe to repeat. */
  updateConsumer(consumer: string, changes: ConsumerChanges): ConsumerInfo | Refused {
    return this.#atConsumers((consumers) => consumers.update(consumer, changes));
  }

  /** How every consumer stands, by name. */
  listConsumers(): ConsumerInfo[] | Refused {
    return this.#atConsumers((consumers) => consumers.list());
  }

  /** Deletes a consumer with its dead letters, and tells how it stood. */
  deleteConsumer(consumer: string): ConsumerInfo | Refused {
    return this.#atConsumers((consumers) => consumers.delete(consumer));
  }

  /** Stops a consumer's deliveries, or lets them go on. */
  pauseConsumer(consumer: string, paused: boolean): ConsumerInfo | Refused {
    return this.#atConsumers((consumers) => consumers.pause(consumer, paused));
  }

  /** Starts a consumer over from another place. */
  seekConsumer({ consumer, from, epoch }: SeekConsumerParams): ConsumerInfo | Refused {
    return this.#atConsumers((consumers, loaded) => {
      expectStart(loaded, epoch, from);
      return consumers.seek(consumer, startOf(loaded, from));
    });
  }

  /** A subscription of a gateway shares a consumer until it says that it is over. Safe to repeat. */
  joinConsumer(call: JoinCall): JoinReply | Refused {
    return this.#atConsumers((consumers, { record }) => ({ epoch: record.epoch, ...consumers.join(call) }));
  }

  /**
   * Takes what subscriptions say of their messages, all in one transaction. Safe to repeat.
   *
   * @returns The holders that share no consumer; why it is over, when that epoch is.
   */
  applyAcks(epoch: string, commands: AckCommand[]): string[] | StreamEnd {
    const loaded = this.#current();
    return loaded?.record.epoch === epoch ? loaded.consumers.applyAcks(commands) : endOf(epoch, loaded?.record.epoch);
  }

  /**
   * Takes messages of a consumer, joined text, for a new lease; none only when there are none to be had.
   *
   * @returns Unavailable when a stretch of the log that does not match is too long to cross at once; the next call
   *   goes on from there.
   */
  async fetchMessages(consumer: string, limit: number): Promise<FetchReply | Refused> {
    // It must not hand out any that its caller no longer waits for.
    const untilMs = Date.now() + LIMITS.requestDeadlineMs / 2;
    do {
      const fetched = this.#atConsumers((consumers) => consumers.fetch(consumer, limit));
      if (fetched !== undefined) {
        return fetched;
      }
      // Others get their turn.
      await scheduler.wait(0);
    } while (Date.now() < untilMs);
    return refuse("Unavailable", "no message was found yet; try again", {});
  }

  /** Settles or gives back messages of a lease. Safe to repeat. */
  ackMessages({ consumer, lease, outcome = "ack", ...rest }: Omit<AckMessagesParams, "stream">): void | Refused {
    return this.#atConsumers((consumers) =>
      consumers.ackLease(consumer, lease, (holder) => ({ kind: outcome, holder, ...rest })),
    );
  }

  /** A consumer's dead letters from a sequence on. */
  getDeadLetters(asked: GetDeadLettersParams & DeadLetterPage): GetDeadLettersResult | Refused {
    return this.#atConsumers((consumers) => consumers.deadLetters(asked.consumer, asked), asked.epoch);
  }

  /** Delivers dead messages again, all or some of them, that the stream still has; returns how many. */
  retryDeadLetters({ consumer, sequences, epoch }: ChangeDeadLettersParams): number | Refused {
    return this.#atConsumers((consumers) => consumers.retryDeadLetters(consumer, sequences), epoch);
  }

  /** Forgets dead letters, all or some of them; returns how many. */
  deleteDeadLetters({ consumer, sequences, epoch }: ChangeDeadLettersParams): number | Refused {
    return this.#atConsumers((consumers) => consumers.deleteDeadLetters(consumer, sequences), epoch);
  }

  /** Drops what is too old, and serves the consumers. Never throws: an alarm that does is given up after six tries. */
  override alarm(): void {
    const nowMs = Date.now();
    this.#alarm.clear();
    try {
      this.#loaded?.consumers.deliverDue();
      const loaded = this.#current();
      if (loaded !== undefined) {
        const hasIds = this.#transactor.change(loaded.record.name, nowMs, ({ record, publishIds }) =>
          publishIds.purge(nowMs - record.config.duplicateWindowMs),
        );
        this.#setAlarm(nowMs, hasIds);
      }
    } catch (error) {
      logError("the alarm of a stream failed", error);
      this.#alarm.ensureBy(nowMs + ALARM_RETRY_MS, nowMs);
    }
  }

  get #loaded(): LoadedStream | undefined {
    return this.#transactor.loaded;
  }

  /** The stream as it stands, for every call: the alarm for its consumers may have been lost. */
  #withAlarm(): LoadedStream | undefined {
    this.#loaded?.consumers.arm(Date.now());
    return this.#loaded;
  }

  /** The same, without what its age limit no longer keeps; undefined when it was never used. */
  #current(): LoadedStream | undefined {
    const loaded = this.#withAlarm();
    if (loaded === undefined) {
      return undefined;
    }
    const nowMs = Date.now();
    const { log, record } = loaded;
    if (record.config.maxAgeMs !== undefined && log.floorForAge(nowMs - record.config.maxAgeMs) > log.floor) {
      this.#changeLog(record.name, nowMs, () => log.dropThrough(retentionFloor(log, record.config, nowMs)));
    }
    return this.#loaded;
  }

  /** Runs a change of the log, and then lets its consumers have what came or make up for what went. */
  #changeLog<T>(stream: string, nowMs: number, change: (loaded: LoadedStream) => T): T {
    const changed = this.#transactor.change(stream, nowMs, change);
    this.#loaded?.consumers.deliverDue();
    return changed;
  }

  /** Asks a stream that must be in the given epoch, if any; undefined when it was never used. */
  #ifUsed<T>(epoch: string | undefined, ask: (loaded: LoadedStream) => T): T | Refused | undefined {
    return orRefused(() => {
      const loaded = this.#current();
      expectEpoch(loaded?.record.epoch, epoch);
      return loaded && ask(loaded);
    });
  }

  /** Asks the consumers of a stream that must exist. */
  #atConsumers<T>(ask: (consumers: ConsumerCoordinator, loaded: LoadedStream) => T, epoch?: string): T | Refused {
    return orRefused(() => {
      const loaded = this.#current();
      if (loaded === undefined) {
        throw new RefusedError("NotFound", "no such stream", { what: "stream" });
      }
      expectEpoch(loaded.record.epoch, epoch);
      return ask(loaded.consumers, loaded);
    });
  }

  async #deleteAll({ fanOut, consumers }: LoadedStream): Promise<true> {
    this.#alarm.clear();
    await this.#transactor.deleteAll();
    fanOut.end("streamDeleted", consumers.gateways);
    return true;
  }

  /** Asks for the alarm if something is to be dropped later: messages by age, or ids after their window. */
  #setAlarm(nowMs: number, hasIds: boolean): void {
    const dueAt = this.#loaded === undefined ? undefined : nextDropAt(this.#loaded, nowMs, hasIds);
    if (dueAt !== undefined) {
      this.#alarm.ensureBy(dueAt, nowMs);
    }
  }
}
