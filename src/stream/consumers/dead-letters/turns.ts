import type { ChangeDeadLettersParams, ConsumerInfo, SeekConsumerParams } from "../../../../rpc/index.ts";
import type { Refused } from "../../../platform/refused.ts";
import type { LoadedStream } from "../../loaded-stream.ts";
import type { CallTurns, Turn } from "../../scheduling/call-turns.ts";
import { expectStart, startOf } from "../../start.ts";

import { deleteLetters, retryLetters } from "./change-dead-letters.ts";
import type { ChangeLetters } from "./change-dead-letters.ts";

/** Asks the consumers of the stream, as they are now. */
type Ask = <T>(ask: (consumers: LoadedStream["consumers"], loaded: LoadedStream) => T, epoch?: string) => T | Refused;

/**
 * Calls that may change many dead letters. They do so in turns that do not hold up the stream. What a turn has done is done, also
 * when the stream fails before the next one. They go on to their end though their caller waits no longer: a seek that stopped would
 * have deleted letters of messages that it does not deliver again.
 */
export class DeadLetterCalls {
  readonly #turns: CallTurns;
  readonly #ask: Ask;

  constructor(turns: CallTurns, ask: Ask) {
    this.#turns = turns;
    this.#ask = ask;
  }

  /** Makes dead letters due for delivery again, all or some of them, if the log has their message; returns how many. */
  retry({ sequences, ...of }: ChangeDeadLettersParams): Promise<number | Refused> {
    return this.#change(of, retryLetters(sequences), countOf);
  }

  /** Deletes dead letters, all or some of them; returns how many. */
  delete({ sequences, ...of }: ChangeDeadLettersParams): Promise<number | Refused> {
    return this.#change(of, deleteLetters(sequences), countOf);
  }

  /** Deletes the dead letters of a consumer and then itself, in the same turn as the last of them; returns its last info. */
  deleteConsumer(consumer: string): Promise<ConsumerInfo | Refused> {
    return this.#change({ consumer }, deleteLetters(undefined), (letters) => {
      const info = this.#ask((consumers) => consumers.delete(consumer));
      return "refused" in info ? info : { ...info, deadLetters: letters + info.deadLetters };
    });
  }

  /** Deletes the dead letters of a consumer from another position on, and moves it there in the same turn as the last of them. */
  async seek({ consumer, from, epoch }: SeekConsumerParams): Promise<ConsumerInfo | Refused> {
    const start = () =>
      this.#ask((_consumers, loaded) => {
        expectStart(loaded, epoch, from);
        return startOf(loaded, from);
      });
    const before = start();
    if ("refused" in before) {
      return before;
    }
    const seek = () => {
      const now = start();
      return "refused" in now ? now : this.#ask((consumers) => consumers.seek(consumer, now));
    };
    return this.#change({ consumer, first: before.nextSequence }, deleteLetters(undefined), seek);
  }

  /** @param then What is to be done in the last turn, when so many letters were changed. */
  #change<Reply>(
    { consumer, epoch, first = 0 }: { consumer: string; epoch?: string | undefined; first?: number },
    change: ChangeLetters,
    then: (letters: number) => Reply | Refused,
  ): Promise<Reply | Refused> {
    let [letters, from] = [0, first];
    const turn = (): Turn<Reply | Refused> => {
      const done = this.#ask((consumers) => consumers.changeDeadLetters(consumer, { change, from }), epoch);
      if ("refused" in done) {
        return { reply: done };
      }
      letters += done.count;
      from = done.next ?? from;
      return done.next === undefined ? { reply: then(letters) } : undefined;
    };
    return this.#turns.run(turn);
  }
}

const countOf = (letters: number) => letters;
