import type { StreamConfig } from "../../../rpc/index.ts";

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
    floor = Math.max(floor, log.floorForAge(nowMs - config.maxAgeMs));
  }
  if (config.maxBytes !== undefined && config.discard === "old") {
    floor = Math.max(floor, log.floorForBytes(config.maxBytes));
  }
  return floor;
}

/** When the alarm has to delete messages by age, in a stream that nobody uses meanwhile; undefined for never. */
export function retentionDueAt(log: Log, config: StreamConfig): number | undefined {
  if (config.maxAgeMs === undefined || log.oldestPublishedAt === undefined) {
    return undefined;
  }
  return log.oldestPublishedAt + config.maxAgeMs + Math.min(config.maxAgeMs * SLACK, MAX_SLACK_MS);
}
