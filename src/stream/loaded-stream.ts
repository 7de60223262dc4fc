import { LIMITS } from "../../rpc/index.ts";
import type { GetProducerResult, ListProducersResult, StreamInfo } from "../../rpc/index.ts";
import { endOf } from "../internal/epoch.ts";
import type { Seen, StreamEnd } from "../internal/epoch.ts";
import type { AlarmClock } from "../platform/scheduling/alarm-clock.ts";

import { PublishIds } from "./admission/publish-ids.ts";
import { ConsumerCoordinator } from "./consumers/coordinator.ts";
import { Producers } from "./producers/producers.ts";
import { FanOut } from "./fan-out.ts";
import { Log } from "./log/log.ts";
import { keptMessages, retentionDueAt } from "./log/retention.ts";
import { StreamRecord } from "./record.ts";
import { holds } from "./start.ts";
import type { Transactor } from "./transactor.ts";

/** A stream in memory, as read from SQLite. */
export type LoadedStream = {
  record: StreamRecord;
  log: Log;
  publishIds: PublishIds;
  producers: Producers;
  fanOut: FanOut;
  consumers: ConsumerCoordinator;
};

/** What a loaded stream uses of its Durable Object. */
type LoadedStreamHost = {
  readonly ctx: DurableObjectState;
  readonly namespace: Env["GATEWAY"];
  readonly alarm: AlarmClock;
  readonly transactor: Transactor<LoadedStream>;
};

/** Reads a stream that exists from SQLite. */
export function loadStream(host: LoadedStreamHost): LoadedStream {
  const { ctx, namespace } = host;
  const { sql } = ctx.storage;
  const record = StreamRecord.load(sql);
  const log = new Log(sql, keptMessages(record.config));
  const consumers = new ConsumerCoordinator({ ...host, stream: record, log });
  const producers = new Producers(sql, log, () => record.config.producerWindowMs);
  const [publishIds, fanOut] = [new PublishIds(sql), new FanOut(ctx, namespace, record)];
  return { record, log, consumers, producers, publishIds, fanOut };
}

/** When a stream next has something to delete: messages by age, or ids after their window. Undefined for never. */
export function nextDropAt(
  { log, record: { config } }: LoadedStream,
  nowMs: number,
  hasIds: boolean,
): number | undefined {
  const messagesAt = retentionDueAt(log, config) ?? Infinity;
  // One alarm per window: an id may stay up to one window longer than it has to.
  const dueAt = Math.min(messagesAt, hasIds ? nowMs + config.duplicateWindowMs : Infinity);
  return dueAt === Infinity ? undefined : dueAt;
}

/** The result of `getStreamInfo`. */
export function streamInfo({ record, log, fanOut, consumers }: LoadedStream): StreamInfo {
  return {
    stream: record.name,
    epoch: record.epoch,
    createdAt: record.createdAt,
    config: record.config,
    firstSequence: log.firstSequence(),
    lastSequence: log.last,
    messages: log.messages,
    bytes: log.bytes,
    stateRevision: record.revision,
    consumers: consumers.count,
    gateways: fanOut.gateways,
  };
}

/** What `getProducer` tells. */
export function producerInfo({ record, producers }: LoadedStream, id: string): GetProducerResult {
  return { epoch: record.epoch, ...(producers.info(id, Date.now()) ?? { producer: { id, epoch: 0, sequence: 0 } }) };
}

/** What `listProducers` tells. */
export function producerList(
  { record, producers }: LoadedStream,
  { after, limit = LIMITS.pageProducers }: { after?: string | undefined; limit?: number | undefined },
): ListProducersResult {
  return { epoch: record.epoch, ...producers.list(after, limit, Date.now()) };
}

/**
 * Gives a stream that was restored from a backup a new epoch, ends all subscriptions of the old one, and loads the
 * stream again.
 */
function branchStream({ record, fanOut, consumers }: LoadedStream, transactor: Transactor<LoadedStream>): void {
  const { gateways } = consumers;
  consumers.releaseAll();
  transactor.change(record.name, Date.now(), () => {
    record.branch();
    fanOut.forget();
  });
  fanOut.end("streamRestored", gateways);
  transactor.reloadBranched();
}

/**
 * Whether the log has what somebody saw of it. If not, the stream was restored to an earlier state: it gets another epoch,
 * and every subscriber is told.
 */
function branchUnlessSeen(loaded: LoadedStream, seen: readonly Seen[], transactor: Transactor<LoadedStream>): boolean {
  const has = seen.every((one) => holds(loaded.log, one));
  if (!has) {
    branchStream(loaded, transactor);
  }
  return has;
}

/**
 * The stream as one knew it who saw an epoch and some messages of it.
 *
 * @returns How the epoch ended, if the stream is not in it any more, or does not have what was seen.
 */
export function inEpoch(
  loaded: LoadedStream | undefined,
  { epoch, seen }: { epoch: string; seen: readonly Seen[] },
  transactor: Transactor<LoadedStream>,
): LoadedStream | StreamEnd {
  if (loaded?.record.epoch !== epoch) {
    return endOf(epoch, loaded?.record.epoch);
  }
  return branchUnlessSeen(loaded, seen, transactor) ? loaded : "streamRestored";
}
