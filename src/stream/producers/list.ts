import type { ProducerInfo } from "../../../rpc/index.ts";
import type { RowOfProducers } from "../log/stored-runs.ts";

import { statesOf } from "./producer-parts.ts";
import type { ProducerParts, StoredState } from "./producer-parts.ts";

/** So many times a page is collected before what is behind it is left out. */
const COLLECTED_PAGES = 4;

/** The first producers behind an id, in the order of ids. Reads all parts, one after the other. */
export function listProducers(
  parts: ProducerParts,
  rows: Iterable<RowOfProducers>,
  { after, limit, sinceMs }: { after: string | undefined; limit: number; sinceMs: number },
): { producers: ProducerInfo[]; more: boolean } {
  let found = new Map<string, StoredState>();
  const collect = (id: string, state: StoredState) => {
    if (state.lastPublishedAt > sinceMs && (after === undefined || id > after)) {
      found.set(id, state);
      if (found.size > COLLECTED_PAGES * limit) {
        found = new Map(inOrder(found).slice(0, limit + 1));
      }
    }
  };
  // In their order: what is told later of a producer stands for it.
  for (const { part } of parts.heads) {
    for (const { id, ...state } of statesOf(parts.text(part))) {
      collect(id, state);
    }
  }
  for (const { publishedAt: lastPublishedAt, runs } of rows) {
    for (const { id, epoch, first, count, firstSequence } of runs) {
      const [sequence, lastSequence] = [first + count - 1, firstSequence + count - 1];
      collect(id, { epoch, sequence, lastSequence, lastPublishedAt });
    }
  }
  const page = inOrder(found).slice(0, limit);
  const producers = page.map(([id, { epoch, sequence, lastSequence, lastPublishedAt }]): ProducerInfo => {
    return { producer: { id, epoch, sequence }, lastSequence, lastPublishedAt };
  });
  return { producers, more: found.size > limit };
}

function inOrder(found: ReadonlyMap<string, StoredState>): [string, StoredState][] {
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
