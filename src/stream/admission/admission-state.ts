import { LIMITS, STREAM_DEFAULTS } from "../../../rpc/index.ts";

import type { StreamState } from "./admission.ts";
import type { LoadedStream } from "../loaded-stream.ts";

/**
 * What admission needs to know of a stream, at one time.
 *
 * @param life Undefined for a stream that was never used.
 * @param storage.streamBytes What a stream without a `maxBytes` of its own may use.
 * @param storage.usedBytes What its database uses now.
 */
export function admissionState(
  life: LoadedStream | undefined,
  { nowMs, streamBytes, usedBytes }: { nowMs: number; streamBytes: number; usedBytes: number },
): StreamState {
  const config: StreamState["config"] = life?.record.config ?? STREAM_DEFAULTS;
  const windowMs = config.duplicateWindowMs;
  const capBytes = config.maxBytes === undefined ? streamBytes : LIMITS.streamMaxBytes;
  return {
    epoch: life?.record.epoch,
    config,
    last: life?.log.last ?? 0,
    messages: life?.log.messages ?? 0,
    bytes: life?.log.bytes ?? 0,
    publishedAt: Math.max(nowMs, life?.log.lastPublishedAt ?? 0),
    roomBytes: capBytes - usedBytes,
    findId: (id) => life?.publishIds.find(id, nowMs - windowMs),
    findProducer: (id) => life?.producers.find(id, nowMs),
    producerRoom: () => life?.producers.room(nowMs) ?? LIMITS.producers,
    waitMsForIds: (more) => life?.publishIds.waitMsFor(more, windowMs, nowMs) ?? 0,
  };
}
