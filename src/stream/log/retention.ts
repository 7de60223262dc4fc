import type { StreamConfig } from "../../../rpc/index.ts";

import type { BatchHead } from "./batches.ts";
import { ROW_BYTES } from "./log.ts";
import type { Log } from "./log.ts";

/** The alarm for `maxAgeMs` fires late by this part of it, so that it does not fire for every batch. */
const SLACK = 0.1;
const MAX_SLACK_MS = 60_000;

/** How many messages are kept by deleting the oldest; undefined for all, as discard "new" refuses new ones instead. */
export function keptMessages({ discard, maxMessages }: StreamConfig): number | undefined {
  return discard === "new" ? undefined : maxMessages;
}

/** Most text of one row. `maxBytes` deletes whole rows, so one row must not be larger than `maxBytes`. */
export function rowBytes({ discard, maxBytes = ROW_BYTES }: StreamConfig): number {
  return discard === "old" ? Math.min(maxBytes, ROW_BYTES) : ROW_BYTES;
}

/**
 * The floor that a stream's config demands now; the log's own floor when nothing is to be deleted. `maxAgeMs` deletes
 * with either `discard`; `maxMessages` and `maxBytes` delete only with "old".
 */
export function retentionFloor(log: Log, config: StreamConfig, nowMs: number): number {
  let floor = log.floorForCount(keptMessages(config));
  if (config.maxAgeMs !== undefined) {
    floor = Math.max(floor, floorForAge(log, nowMs - config.maxAgeMs));
  }
  if (config.maxBytes !== undefined && config.discard === "old") {
    floor = Math.max(floor, floorForBytes(log, config.maxBytes));
  }
  return floor;
}

/** The floor that deletes every row published at `timeMs` or before. */
export function floorForAge(log: Log, timeMs: number): number {
  const { floor, oldestPublishedAt = Infinity } = log;
  return oldestPublishedAt > timeMs ? floor : Math.max(floor, log.sequenceAt(timeMs + 1) - 1);
}

/** The floor that deletes the oldest rows until at most `maxBytes` are left. */
function floorForBytes(log: Log, maxBytes: number): number {
  let { floor } = log;
  for (let excess = log.bytes - maxBytes; excess > 0 && floor < log.last;) {
    const first = log.rowAt(floor + 1);
    const row = rowAfterBytes(log, first, excess);
    // What was deleted from them one by one has to be found in further rows.
    excess -= bytesOf(first, row) - log.holeBytes(first.first_sequence, row.last_sequence);
    floor = row.last_sequence;
  }
  return floor;
}

/** The row by which so many bytes were written from the beginning of a row on; else the last one. */
function rowAfterBytes(log: Log, first: BatchHead, bytes: number): BatchHead {
  let [low, high] = [first.first_sequence, log.last];
  while (low < high) {
    const row = log.rowAt(Math.floor((low + high) / 2));
    if (bytesOf(first, row) < bytes) {
      low = row.last_sequence + 1;
    } else {
      high = Math.max(row.first_sequence, low);
    }
  }
  return log.rowAt(low);
}

/** Bytes of the rows from one to another when they were written. */
function bytesOf(first: BatchHead, last: BatchHead): number {
  return last.end_bytes - first.end_bytes + first.bytes;
}

/** When the alarm has to delete messages by age, in a stream that nobody uses meanwhile; undefined for never. */
export function retentionDueAt(log: Log, config: StreamConfig): number | undefined {
  if (config.maxAgeMs === undefined || log.oldestPublishedAt === undefined) {
    return undefined;
  }
  return log.oldestPublishedAt + config.maxAgeMs + Math.min(config.maxAgeMs * SLACK, MAX_SLACK_MS);
}
