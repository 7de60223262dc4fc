import type { From } from "../../rpc/index.ts";
import type { Start } from "../calls.ts";

import type { Log } from "./log.ts";
import type { StreamRecord } from "./record.ts";

/** Resolves where a reader starts. */
export function startOf({ record, log }: { record: StreamRecord; log: Log }, from: From): Start {
  const start = { epoch: record.epoch, lastSequence: log.last };
  if (from === "first") {
    return { ...start, nextSequence: log.firstSequence() };
  }
  if (from === "new") {
    return { ...start, nextSequence: log.last + 1 };
  }
  if ("time" in from) {
    return { ...start, nextSequence: log.sequenceAt(from.time) };
  }
  if ("last" in from) {
    return { ...start, nextSequence: log.floorForCount(from.last) + 1 };
  }
  if (from.sequence > log.floor) {
    return { ...start, nextSequence: from.sequence };
  }
  return { ...start, nextSequence: log.floor + 1, skipped: { from: from.sequence, to: log.floor } };
}
