import type { Digest, ProducerIndex } from "./producer-index.ts";
import type { NewRows } from "./new-rows.ts";
import { statesOf } from "./producer-parts.ts";
import type { ProducerParts } from "./producer-parts.ts";

/** Where producers are told of. */
type Told = { parts: ProducerParts; index: ProducerIndex; rows: NewRows };

/**
 * Takes those out of the index that published last at `sinceMs` or before. Only parts are read that have any.
 *
 * @returns When the first of the others published last.
 */
export function forgetProducers({ parts, index, rows }: Told, sinceMs: number): number {
  let next = rows.firstAfter(sinceMs) ?? Infinity;
  const isGone = (row: number) => (rows.publishedAt(row) ?? Infinity) <= sinceMs;
  if (isGone(0)) {
    index.removeRows(isGone);
  }
  const forgotten: Digest[] = [];
  for (const head of parts.heads) {
    if (head.oldestAt <= sinceMs) {
      head.oldestAt = Infinity;
      for (const { id, lastPublishedAt } of statesOf(parts.text(head.part))) {
        const digest = index.digest(id);
        const place = index.find(digest);
        const isLast = place?.part === head.part && place.row === undefined;
        if (isLast && lastPublishedAt <= sinceMs) {
          forgotten.push(digest);
        } else if (isLast) {
          head.oldestAt = Math.min(head.oldestAt, lastPublishedAt);
        }
      }
    }
    next = Math.min(next, head.oldestAt);
  }
  index.remove(forgotten);
  return next;
}
