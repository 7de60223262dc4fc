import { turnFor } from "../platform/scheduling/pace.ts";

/** A stream that takes longer for a round is asked the next one meanwhile. */
const SLOW_MS = 1_000;
/** What a round waits for others. */
const MOST_WAIT_MS = 100;

/** How streams are asked. */
type RoundsOptions<Question, Result> = {
  /** How many questions to a stream are answered together. */
  readonly size: number;
  /** Twice as long as it takes to begin one subscription, with its call and its answer. */
  readonly eachMs: number;
  /** Asks a stream, by as few calls as it can. @returns The answer to each question. */
  readonly ask: (stream: string, questions: readonly Question[]) => readonly Promise<Result>[];
};

type Asked<Question, Result> = {
  readonly question: Question;
  readonly resolve: (result: Promise<Result>) => void;
};

/** What waits for one stream. */
type Queue<Question, Result> = { waiting: Asked<Question, Result>[] };

/**
 * Calls that begin subscriptions, to each stream a round of some at a time. Thousands of subscriptions may be asked for at
 * once, by clients that all connect again, or by one that means harm: what others publish is to come between them. And a round
 * needs fewer calls than it has subscriptions.
 *
 * A call is only shared by those that asked before it was made: what it tells is not older than their question.
 */
export class Rounds<Question, Result> {
  readonly #options: RoundsOptions<Question, Result>;
  readonly #queues = new Map<string, Queue<Question, Result>>();

  constructor(options: RoundsOptions<Question, Result>) {
    this.#options = options;
  }

  /** Asks a stream when the question has its turn. An idle stream is asked at once. */
  add(stream: string, question: Question): Promise<Result> {
    return new Promise((resolve) => {
      const asked = { question, resolve };
      const queue = this.#queues.get(stream);
      if (queue === undefined) {
        const made = { waiting: [asked] };
        this.#queues.set(stream, made);
        void this.#run(stream, made);
      } else {
        queue.waiting.push(asked);
      }
    });
  }

  async #run(stream: string, queue: Queue<Question, Result>): Promise<void> {
    const { size, eachMs, ask } = this.#options;
    while (queue.waiting.length > 0) {
      await turnFor(Math.min(queue.waiting.length, size) * eachMs, { most: MOST_WAIT_MS });
      const round = queue.waiting.splice(0, size);
      const answers = ask(
        stream,
        round.map(({ question }) => question),
      );
      answers.forEach((answer, index) => round[index]?.resolve(answer));
      await untilSlow(answers);
    }
    this.#queues.delete(stream);
  }
}

/** Waits for all answers, whatever they are, or for as long as one may take. */
async function untilSlow(answers: readonly Promise<unknown>[]): Promise<void> {
  const slow = Promise.withResolvers<void>();
  const timer = setTimeout(slow.resolve, SLOW_MS);
  await Promise.race([Promise.allSettled(answers), slow.promise]);
  clearTimeout(timer);
}
