import type { From } from "../../rpc/index.ts";
import type { Start } from "../calls.ts";

import type { Log } from "./log.ts";
import type { StreamRecord } from "./record.ts";

/**
 * Resolves where a reader starts. Publish times never go back, so what was published before a time lies before one
 * sequence; where the log has not come to that time yet, the start says so.
 */
export function startOf({ record, log }: { record: StreamRecord; log: Log }, from: From): Start {
  const start = { epoch: record.epoch, lastSequence: log.last };
  if (from === "first") {
    return { ...start, nextSequence: log.firstSequence() };
  }
  if (from === "new") {
    return { ...start, nextSequence: log.last + 1 };
  }
  if ("last" in from) {
    return { ...start, nextSequence: log.floorForCount(from.last) + 1 };
  }
  const { time } = from;
  const earliest = time === undefined ? log.floor + 1 : log.sequenceAt(time);
  const notBefore = time === undefined || time <= log.lastPublishedAt ? {} : { notBefore: time };
  if (!("sequence" in from)) {
    return { ...start, ...notBefore, nextSequence: earliest };
  }
  const { sequence } = from;
  const skipped = sequence > log.floor ? {} : { skipped: { from: sequence, to: log.floor } };
  return { ...start, ...notBefore, ...skipped, nextSequence: Math.max(sequence, earliest) };
}
