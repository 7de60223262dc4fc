import { sizeOf } from "../../../internal/consumer-calls.ts";
import type { AckCommand } from "../../../internal/consumer-calls.ts";

import type { Consumer } from "../consumer.ts";

import { TurnWork } from "./turn-work.ts";

/** How many commands a turn has applied, the first of those that it was given, and their holders that it does not know. */
export type AcksTurn = { readonly applied: number; readonly unknown: readonly string[] };

/**
 * Applies the first of some commands, as many as one turn may; a single one of a whole consumer may be more, and so may what
 * is up to an `ackThrough` behind a `nak` of its holder: between two turns the message may be delivered to it again, which
 * its client has not seen.
 */
export function applyTurn<Command extends AckCommand>(
  commands: readonly Command[],
  consumerOf: (command: Command) => Consumer | undefined,
  apply: (consumer: Consumer, command: Command) => void,
): AcksTurn {
  const unknown: string[] = [];
  const work = new TurnWork();
  const givenBack = new Set<string>();
  const isAckedThrough = ({ kind, holder }: AckCommand) => kind === "ackThrough" && givenBack.has(holder);
  let applied = 0;
  for (const command of commands) {
    const consumer = consumerOf(command);
    if (consumer === undefined) {
      unknown.push(command.holder);
    } else if (work.isSpentFor(consumer) && !commands.slice(applied).some(isAckedThrough)) {
      break;
    } else {
      work.change(consumer, () => apply(consumer, command), sizeOf(command));
    }
    if (command.kind === "nak") {
      givenBack.add(command.holder);
    }
    applied += 1;
  }
  return { applied, unknown };
}
