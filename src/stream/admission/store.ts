import type { MessageRange } from "../../internal/calls.ts";
import { retentionFloor, rowBytes } from "../log/retention.ts";
import type { LoadedStream } from "../loaded-stream.ts";

import type { Admitted } from "./admission.ts";

/**
 * Stores what was admitted, and deletes what the stream's config no longer keeps; within a transaction.
 *
 * @returns The range of each row.
 */
export function storeAdmitted(
  { record, log, publishIds, producers }: LoadedStream,
  { bodies, bytes, ids, runs, stream: { publishedAt } }: Admitted,
  nowMs: number,
): MessageRange[] {
  const ranges = log.append(bodies, bytes, { publishedAt, rowBytes: rowBytes(record.config), runs });
  producers.appended(runs, ranges);
  publishIds.add(ids, publishedAt, nowMs - record.config.duplicateWindowMs);
  log.dropThrough(retentionFloor(log, record.config, nowMs));
  return ranges;
}
