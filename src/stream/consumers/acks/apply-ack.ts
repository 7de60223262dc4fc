import type { AckCommand } from "../../../internal/consumer-calls.ts";

import type { Consumer } from "../consumer.ts";
import type { ConsumerCursor } from "../cursor/cursor.ts";
import type { DeadLetter } from "../cursor/types.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";

/** When an ack command arrived, and which sequences were under way to its holder then. */
type Arrival = { readonly nowMs: number; readonly underway: () => ReadonlySet<number> };

/** Applies an ack command to a consumer and its dead letters. */
export function applyAck(
  { id, cursor }: Consumer,
  command: AckCommand,
  { deadLetters, ...arrival }: Arrival & { readonly deadLetters: DeadLetters },
): void {
  deadLetters.add(id, applyToCursor(cursor, command, arrival));
  if (command.kind === "ack") {
    // A late ack also removes the dead letter that the message became meanwhile.
    deadLetters.delete(id, command.sequences);
  }
}

/** Returns the dead letters that this makes. */
function applyToCursor(cursor: ConsumerCursor, command: AckCommand, { nowMs, underway }: Arrival): DeadLetter[] {
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
