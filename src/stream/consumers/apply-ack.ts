import type { Settlement } from "../../internal/consumer-calls.ts";

import type { ConsumerCursor } from "./cursor/cursor.ts";
import type { DeadLetter } from "./cursor/types.ts";

/** When a settlement came, and what was on its way to its holder then. */
export type SettledAt = { readonly nowMs: number; readonly underway: ReadonlySet<number> };

/** Tells a cursor what a holder says of its messages. Returns what died of it. */
export function settle(cursor: ConsumerCursor, settlement: Settlement, { nowMs, underway }: SettledAt): DeadLetter[] {
  const { holder } = settlement;
  switch (settlement.kind) {
    case "ack":
      cursor.ack(settlement.sequences);
      return [];
    case "ackThrough":
      cursor.ackThrough(holder, settlement.through);
      return [];
    case "nak":
      return cursor.nak({ ...settlement, nowMs });
    case "term":
      return cursor.term({ ...settlement, nowMs });
    case "working":
      cursor.working(holder, settlement.sequences, nowMs);
      return [];
    case "release":
      return cursor.release({ ...settlement, underway, nowMs });
    default:
      return settlement satisfies never;
  }
}
