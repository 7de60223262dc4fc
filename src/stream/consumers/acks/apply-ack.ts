import type { AckCommand } from "../../../internal/consumer-calls.ts";

import type { ConsumerCursor } from "../cursor/cursor.ts";
import type { DeadLetter } from "../cursor/types.ts";

/** When an ack command arrived, and which sequences were under way to its holder then. */
type Arrival = { readonly nowMs: number; readonly underway: () => ReadonlySet<number> };

/** Applies an ack command to a cursor. Returns the dead letters that this makes. */
export function applyAck(cursor: ConsumerCursor, command: AckCommand, { nowMs, underway }: Arrival): DeadLetter[] {
  const { holder } = command;
  switch (command.kind) {
    case "ack":
      cursor.ack(command.sequences);
      return [];
    case "ackThrough":
      cursor.ackThrough(holder, command.through);
      return [];
    case "nak":
      return cursor.nak({ ...command, nowMs });
    case "term":
      return cursor.term({ ...command, nowMs });
    case "working":
      cursor.working(holder, command.sequences, nowMs);
      return [];
    case "release":
      return cursor.release({ ...command, underway: underway(), nowMs });
    default:
      return command satisfies never;
  }
}
