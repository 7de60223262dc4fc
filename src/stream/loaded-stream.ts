import { LIMITS } from "../../rpc/index.ts";
import type { GetProducerResult, ListProducersResult, StreamInfo } from "../../rpc/index.ts";

import { DeliveryPusher } from "./consumers/pusher.ts";
import type { PushOutcome } from "./consumers/pusher.ts";
import { ConsumerCoordinator } from "./consumers/coordinator.ts";
import { Producers } from "./producers/producers.ts";
import { FanOut } from "./fan-out.ts";
import { Log } from "./log/log.ts";
import { PublishIds } from "./admission/publish-ids.ts";
import { StreamRecord } from "./record.ts";
import { keptMessages, retentionDueAt } from "./log/retention.ts";

/** A stream in use, as read from SQLite. */
export type LoadedStream = {
  record: StreamRecord;
  log: Log;
  publishIds: PublishIds;
  producers: Producers;
  fanOut: FanOut;
  consumers: ConsumerCoordinator;
};

/** What a life needs of its stream. */
export type LoadedStreamHost = {
  /** Runs a change of the stream of that name in one transaction. */
  change<T>(stream: string, act: () => T): T;
  wakeBy(atMs: number, nowMs: number): void;
  onPushCompleted(outcome: PushOutcome): void;
};

/** Reads a stream that is in use. */
export function loadStream(ctx: DurableObjectState, namespace: Env["GATEWAY"], host: LoadedStreamHost): LoadedStream {
  const { sql } = ctx.storage;
  const record = StreamRecord.load(sql);
  const log = new Log(sql, keptMessages(record.config));
  const pusher = new DeliveryPusher(
    { ctx, namespace, onPushCompleted: (outcome) => host.onPushCompleted(outcome) },
    record,
  );
  const consumers = new ConsumerCoordinator(sql, {
    epoch: record.epoch,
    log,
    pusher,
    change: (act) => host.change(record.name, act),
    wakeBy: (atMs, nowMs) => host.wakeBy(atMs, nowMs),
  });
  const producers = new Producers(sql, log, () => record.config.producerWindowMs);
  return {
    record,
    log,
    consumers,
    producers,
    publishIds: new PublishIds(sql),
    fanOut: new FanOut(ctx, namespace, record),
  };
}

/**
 * When a stream next has something to drop by itself: messages by age, or ids after their window. Undefined when it has
 * nothing that will be.
 */
export function nextDropAt(
  { log, record: { config } }: LoadedStream,
  nowMs: number,
  hasIds: boolean,
): number | undefined {
  const messagesAt = retentionDueAt(log, config) ?? Infinity;
  // One alarm a window: what was stored just after the last one waits for the next.
  const dueAt = Math.min(messagesAt, hasIds ? nowMs + config.duplicateWindowMs : Infinity);
  return dueAt === Infinity ? undefined : dueAt;
}

/** What `getStreamInfo` tells. */
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
export function producerInfo(loaded: LoadedStream | undefined, id: string): GetProducerResult {
  const unknown = { producer: { id, epoch: 0, sequence: 0 } };
  return loaded === undefined
    ? unknown
    : { epoch: loaded.record.epoch, ...(loaded.producers.info(id, Date.now()) ?? unknown) };
}

/** What `listProducers` tells. */
export function producerList(
  { record, producers }: LoadedStream,
  { after, limit = LIMITS.pageProducers }: { after?: string | undefined; limit?: number | undefined },
): ListProducersResult {
  return { epoch: record.epoch, ...producers.list(after, limit, Date.now()) };
}

/**
 * Begins another epoch of a stream that was found put back to an earlier state, which is to be loaded again then, and
 * ends all subscriptions of the one before.
 *
 * @param change Runs a change in one transaction.
 */
export function branchStream({ record, fanOut, consumers }: LoadedStream, change: (act: () => void) => void): void {
  const { gateways } = consumers;
  consumers.releaseAll();
  change(() => {
    record.branch();
    fanOut.forget();
  });
  fanOut.end("streamRestored", gateways);
}
