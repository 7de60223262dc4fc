import type { ChangeDeadLettersParams, ConsumerInfo, SeekConsumerParams } from "../../../../rpc/index.ts";
import type { Refused } from "../../../platform/refused.ts";
import type { LoadedStream } from "../../loaded-stream.ts";
import { expectStart, startOf } from "../../start.ts";
import { pauseBetweenTurns } from "../../../platform/scheduling/pace.ts";
import { Lane, MOST_WAITING, PACED_BYTES } from "../../scheduling/lane.ts";

import { deleteLetters, retryLetters } from "./change-dead-letters.ts";
import type { ChangeLetters } from "./change-dead-letters.ts";

/** What the last turn of a call takes, as text that is read; there is a pause after each other one. */
const CALL_BYTES = PACED_BYTES / 4;

/** Asks the consumers of the stream, as they are now. */
type Ask = <T>(ask: (consumers: LoadedStream["consumers"], loaded: LoadedStream) => T, epoch?: string) => T | Refused;

/**
 * Calls that may change many dead letters, one after the other. They do so in turns that do not hold up the stream: whatever has
 * come meanwhile runs between two of them. What a turn has done is done, also when the stream fails before the next one.
 *
 * Each may return a refusal of {@link Lane}.
 */
export class DeadLetterCalls {
  readonly #ask: Ask;
  readonly #lane = new Lane(MOST_WAITING);

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Makes dead letters due for delivery again, all or some of them, if the log has their message; returns how many. */
  retry({ sequences, ...of }: ChangeDeadLettersParams): Promise<number | Refused> {
    return this.#run(() => inTurns(this.#ask, of, retryLetters(sequences)));
  }

  /** Deletes dead letters, all or some of them; returns how many. */
  delete({ sequences, ...of }: ChangeDeadLettersParams): Promise<number | Refused> {
    return this.#run(() => inTurns(this.#ask, of, deleteLetters(sequences)));
  }

  /** Deletes the dead letters of a consumer and then itself; returns its last info. */
  deleteConsumer(consumer: string): Promise<ConsumerInfo | Refused> {
    return this.#run(() => deleteConsumer(this.#ask, consumer));
  }

  /** Deletes the dead letters of a consumer from another position on, and then moves it there. */
  seek(params: SeekConsumerParams): Promise<ConsumerInfo | Refused> {
    return this.#run(() => seekConsumer(this.#ask, params));
  }

  #run<Reply>(call: () => Promise<Reply>): Promise<Reply | Refused> {
    return this.#lane.run(call, () => CALL_BYTES);
  }
}

async function deleteConsumer(ask: Ask, consumer: string): Promise<ConsumerInfo | Refused> {
  const letters = await inTurns(ask, { consumer }, deleteLetters(undefined));
  const info = ask((consumers) => consumers.delete(consumer));
  return typeof letters !== "number" || "refused" in info ? info : { ...info, deadLetters: letters + info.deadLetters };
}

async function seekConsumer(ask: Ask, { consumer, from, epoch }: SeekConsumerParams): Promise<ConsumerInfo | Refused> {
  const start = () =>
    ask((_consumers, loaded) => {
      expectStart(loaded, epoch, from);
      return startOf(loaded, from);
    });
  const before = start();
  if (!("refused" in before)) {
    await inTurns(ask, { consumer }, deleteLetters(undefined), before.nextSequence);
  }
  const now = start();
  return "refused" in now ? now : ask((consumers) => consumers.seek(consumer, now));
}

async function inTurns(
  ask: Ask,
  { consumer, epoch }: { consumer: string; epoch?: string | undefined },
  change: ChangeLetters,
  first = 0,
): Promise<number | Refused> {
  let total = 0;
  for (let from = first; ;) {
    const turn = { change, from };
    const done = ask((consumers) => consumers.changeDeadLetters(consumer, turn), epoch);
    if ("refused" in done) {
      return done;
    }
    total += done.count;
    if (done.next === undefined) {
      return total;
    }
    from = done.next;
    await pauseBetweenTurns();
  }
}
