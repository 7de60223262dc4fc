import type { AckCommand } from "../../../internal/consumer-calls.ts";
import type { StreamEnd } from "../../../internal/epoch.ts";
import { pauseBetweenTurns } from "../../../platform/scheduling/pace.ts";
import type { LoadedStream } from "../../loaded-stream.ts";

/** Sequences of one command that are applied at once: half of a turn at most. */
const PART_SEQUENCES = 1_000;

/**
 * Applies ack commands, those of a holder in order, in turns; whatever has come meanwhile runs between two of them. What a turn has done is
 * done, also when the stream fails before the next one: to apply a command twice is to apply it once.
 *
 * @param current The stream, before each turn, or how the epoch of the commands ended.
 * @returns The holders that are not known.
 */
export async function applyAcksInTurns(
  commands: readonly AckCommand[],
  current: () => LoadedStream | StreamEnd,
): Promise<string[] | StreamEnd> {
  const unknown = new Set<string>();
  let left: readonly AckCommand[] | undefined;
  for (;;) {
    const loaded = current();
    if (typeof loaded === "string") {
      return loaded;
    }
    left ??= inOrder(commands, loaded).flatMap(partsOf);
    const turn = loaded.consumers.applyAcks(left);
    turn.unknown.forEach((holder) => unknown.add(holder));
    left = left.slice(turn.applied);
    if (left.length === 0) {
      return [...unknown];
    }
    await pauseBetweenTurns();
  }
}

/** Those of each consumer together, and of each holder, so that few cursors change in a turn: each is written whole. */
function inOrder(commands: readonly AckCommand[], { consumers }: LoadedStream): AckCommand[] {
  const byConsumer = Map.groupBy(commands, ({ holder }) => consumers.idOf(holder));
  return [...byConsumer.values()].flatMap((ofOne) => [...Map.groupBy(ofOne, ({ holder }) => holder).values()].flat());
}

/** Commands that do the same one after the other. */
function partsOf(command: AckCommand): AckCommand[] {
  if (!("sequences" in command) || command.sequences.length <= PART_SEQUENCES) {
    return [command];
  }
  const parts: AckCommand[] = [];
  for (let first = 0; first < command.sequences.length; first += PART_SEQUENCES) {
    parts.push({ ...command, sequences: command.sequences.slice(first, first + PART_SEQUENCES) });
  }
  return parts;
}
