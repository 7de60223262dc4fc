import { LIMITS, STREAM_DEFAULTS } from "../../../rpc/index.ts";
import type { ProducerState, StoredRange, StreamConfig } from "../../../rpc/index.ts";

import type { KnownId } from "./publish-ids.ts";
import type { LoadedStream } from "../loaded-stream.ts";
import type { StorageGauge } from "./storage-gauge.ts";

/** What admission needs to know of a stream. */
export type StreamState = {
  /** Undefined for a stream that was never used. */
  epoch: string | undefined;
  config: StreamConfig;
  last: number;
  messages: number;
  /** Stored text, heads and separators included. */
  bytes: number;
  /** When what is admitted is published, in milliseconds since the epoch. */
  publishedAt: number;
  /** Bytes that may still be written before the stream is full. */
  roomBytes: number;
  findId: (id: string) => KnownId | undefined;
  /** Milliseconds until so many more ids can be remembered; 0 for now. */
  waitMsForIds: (more: number) => number;
  findProducer: (id: string) => ProducerState | undefined;
  /** Where messages of a producer that is known are stored. */
  findPlaces: (id: string, first: number, count: number) => StoredRange[];
  /** How many more producers can be remembered. */
  producerRoom: () => number;
};

/**
 * What admission needs to know of a stream, at one time.
 *
 * @param loaded Undefined for a stream that was never used.
 */
export function admissionState(loaded: LoadedStream | undefined, gauge: StorageGauge, nowMs: number): StreamState {
  const config: StreamState["config"] = loaded?.record.config ?? STREAM_DEFAULTS;
  const windowMs = config.duplicateWindowMs;
  return {
    epoch: loaded?.record.epoch,
    config,
    last: loaded?.log.last ?? 0,
    messages: loaded?.log.messages ?? 0,
    bytes: loaded?.log.bytes ?? 0,
    publishedAt: Math.max(nowMs, loaded?.log.lastPublishedAt ?? 0),
    roomBytes: gauge.roomBytes(config, nowMs) + (loaded?.log.garbageBytes ?? 0),
    findId: (id) => loaded?.publishIds.find(id, nowMs - windowMs),
    findProducer: (id) => loaded?.producers.find(id, nowMs),
    findPlaces: (id, first, count) => loaded?.producers.places(id, first, count) ?? [],
    producerRoom: () => loaded?.producers.room(nowMs) ?? LIMITS.producers,
    waitMsForIds: (more) => loaded?.publishIds.waitMsFor(more, windowMs, nowMs) ?? 0,
  };
}
