import { sizeOf, socketOf } from "../../../internal/consumer-calls.ts";
import type { AckCommand } from "../../../internal/consumer-calls.ts";

import type { Consumer } from "../consumer.ts";
import type { Consumers } from "../table.ts";
import { TurnWork } from "./turn-work.ts";

/** How many commands a turn has applied, the first of those that it was given, and their holders that it does not know. */
export type AcksTurn = { readonly applied: number; readonly unknown: readonly string[] };

/**
 * Applies the first of some commands, as many as one turn may; a single one of a whole consumer may be more, and so may what
 * is up to an `ackThrough` behind a `nak` of its holder: between two turns the message may be delivered to it again, which
 * its client has not seen.
 */
export function applyTurn(
  commands: readonly AckCommand[],
  consumers: Consumers,
  apply: (consumer: Consumer, command: AckCommand) => void,
): AcksTurn {
  const unknown: string[] = [];
  const work = new TurnWork();
  const givenBack = new Set<string>();
  const isAckedThrough = ({ kind, holder }: AckCommand) => kind === "ackThrough" && givenBack.has(holder);
  let applied = 0;
  for (const command of commands) {
    const consumer = consumers.ofHolder(command.holder);
    if (consumer === undefined) {
      unknown.push(command.holder);
    } else if (work.isSpentFor(consumer) && !commands.slice(applied).some(isAckedThrough)) {
      break;
    } else {
      consumers.fullSockets.delete(socketOf(command.holder));
      work.change(consumer, () => apply(consumer, command), sizeOf(command));
    }
    if (command.kind === "nak") {
      givenBack.add(command.holder);
    }
    applied += 1;
  }
  return { applied, unknown };
}
