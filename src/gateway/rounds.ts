import { turnFor } from "../platform/pace.ts";

/** A stream that takes longer for a round is asked the next one meanwhile. */
const SLOW_MS = 1_000;
/** Twice as long as it takes to begin a subscription, with its call and its answer. */
const SUBSCRIPTION_MS = 0.3;

type Asked<Result> = {
  /** Those with the same key in one round are one call; one without is a call of its own. */
  readonly key: string | undefined;
  readonly call: () => Promise<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
};

/** What waits for one stream. */
type Queue<Result> = { waiting: Asked<Result>[] };

/**
 * Calls that begin subscriptions, to each stream a round of some at a time. Thousands of subscriptions may be asked for at
 * once, by clients that all connect again, or by one that means harm: what others publish is to come between them. And
 * those at the same position need one call.
 *
 * A call is only shared by those that asked before it was made: what it tells is not older than their question.
 */
export class Rounds<Result extends object> {
  readonly #size: number;
  readonly #queues = new Map<string, Queue<Result>>();

  /** @param size How many of a stream are answered together, shared calls or not. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Makes a call when it has its turn. An idle stream is called at once. */
  add(stream: string, key: string | undefined, call: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const asked = { key, call, resolve, reject };
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

  async #run(stream: string, queue: Queue<Result>): Promise<void> {
    while (queue.waiting.length > 0) {
      await turnFor(Math.min(queue.waiting.length, this.#size) * SUBSCRIPTION_MS);
      const round = queue.waiting.splice(0, this.#size);
      const calls = Map.groupBy(round, (asked) => asked.key ?? asked);
      await untilSlow(Array.from(calls.values(), callFor));
    }
    this.#queues.delete(stream);
  }
}

/** Makes one call for all who asked for it. Never rejects. */
async function callFor<Result extends object>(asked: readonly Asked<Result>[]): Promise<void> {
  const [first] = asked;
  try {
    const result = await first?.call();
    asked.forEach(({ resolve }) => result !== undefined && resolve(result));
  } catch (error) {
    asked.forEach(({ reject }) => reject(error));
  }
}

async function untilSlow(calls: readonly Promise<void>[]): Promise<void> {
  const slow = Promise.withResolvers<void>();
  const timer = setTimeout(slow.resolve, SLOW_MS);
  await Promise.race([Promise.all(calls), slow.promise]);
  clearTimeout(timer);
}
