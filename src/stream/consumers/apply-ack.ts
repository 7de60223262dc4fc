import type { AckCommand } from "../../internal/consumer-calls.ts";

import type { ConsumerCursor } from "./cursor/cursor.ts";
import type { DeadLetter } from "./cursor/types.ts";

/** When a settlement came, and what was on its way to its holder then. */
export type SettledAt = { readonly nowMs: number; readonly underway: ReadonlySet<number> };

/** Tells a cursor what a holder says of its messages. Returns what died of it. */
export function applyAck(cursor: ConsumerCursor, command: AckCommand, { nowMs, underway }: SettledAt): DeadLetter[] {
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
      return cursor.release({ ...command, underway, nowMs });
    default:
      return command satisfies never;
  }
}
