import type { StreamConfig } from "../../../rpc/index.ts";

import { ROW_BYTES } from "./log.ts";
import type { Log } from "./log.ts";

/** The alarm drops by age this much of the age late, so that it does not fire for every batch. */
const SLACK = 0.1;
const MAX_SLACK_MS = 60_000;

/** How many messages are kept by dropping the oldest; undefined for all: discard "new" refuses and drops none. */
export function keptMessages({ discard, maxMessages }: StreamConfig): number | undefined {
  return discard === "new" ? undefined : maxMessages;
}

/** Text of one row, at most: dropping goes by whole rows, and must leave the newest whatever one commit brought. */
export function rowBytes({ discard, maxBytes = ROW_BYTES }: StreamConfig): number {
  return discard === "old" ? Math.min(maxBytes, ROW_BYTES) : ROW_BYTES;
}

/**
 * The floor that a stream's config asks for now; the log's own floor when nothing is to be dropped. Age drops whatever
 * `discard` says; count and bytes do only with "old".
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

/** When messages are next to be dropped by age though nobody publishes or reads; undefined for never. */
export function retentionDueAt(log: Log, config: StreamConfig): number | undefined {
  if (config.maxAgeMs === undefined || log.oldestPublishedAt === undefined) {
    return undefined;
  }
  return log.oldestPublishedAt + config.maxAgeMs + Math.min(config.maxAgeMs * SLACK, MAX_SLACK_MS);
}
