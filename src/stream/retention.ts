import type { StreamConfig } from "../../rpc/index.ts";

import type { Log } from "./log.ts";

/** The alarm drops by age this much of the age late, so that it does not fire for every batch. */
const SLACK = 0.1;
const MAX_SLACK_MS = 60_000;

/** The floor that a stream's config asks for now; the log's own floor when nothing is to be dropped. */
export function retentionFloor(log: Log, config: StreamConfig, nowMs: number): number {
  let floor = log.floorForCount(config.maxMessages);
  if (config.maxAgeMs !== undefined) {
    floor = Math.max(floor, log.floorForAge(nowMs - config.maxAgeMs));
  }
  if (config.maxBytes !== undefined) {
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
