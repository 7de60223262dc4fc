import { LIMITS } from "../../../rpc/index.ts";
import type { ProducerState, StoredRange } from "../../../rpc/index.ts";

/** Messages of a producer that stand together in the stream. */
export type Run = { first: number; count: number; firstSequence: number; publishedAt: number };

/** Numbers kept of a run. */
export const RUN_NUMBERS = 3;
const FEW_RUNS = 8;

/**
 * Where the last messages of a producer are in the stream, oldest first. The sequences of a producer have no gap, so a run
 * ends where the next one begins, and the last one with the producer's last sequence.
 *
 * Plain numbers in one array: `first`, `firstSequence` and `publishedAt` of each run.
 */
export class Runs {
  #numbers: number[];
  #last: number;

  /** @param last The producer's last sequence; 0 when there are no runs. */
  constructor(numbers: number[], last: number) {
    this.#numbers = numbers;
    this.#last = last;
  }

  /** How many runs are kept. */
  get size(): number {
    return this.#numbers.length / RUN_NUMBERS;
  }

  /** The numbers as they are stored. */
  get numbers(): readonly number[] {
    return this.#numbers;
  }

  /** Adds what follows the last run; a run that stands together with it becomes part of it. */
  add({ first, count, firstSequence, publishedAt }: Run): void {
    const [lastFirst = 0, lastSequence = 0, lastPublishedAt = 0] = this.#numbers.slice(-RUN_NUMBERS);
    const isTogether =
      this.#numbers.length > 0 && publishedAt === lastPublishedAt && firstSequence - lastSequence === first - lastFirst;
    if (!isTogether && this.size < FEW_RUNS) {
      // An array that grows takes room for sixteen numbers more, in each of many producers.
      this.#numbers = [...this.#numbers, first, firstSequence, publishedAt];
    } else if (!isTogether) {
      this.#numbers.push(first, firstSequence, publishedAt);
    }
    this.#last = first + count - 1;
    this.#forgetOld();
  }

  /** Forgets all but the newest. */
  keepNewest(runs: number): void {
    // A copy: the array would keep the room that it had.
    this.#numbers = this.#numbers.slice(Math.max(0, this.size - runs) * RUN_NUMBERS);
  }

  /** Where the messages from `first` on are that are stored; nothing of those older than the oldest run. */
  find(first: number, count: number): StoredRange[] {
    const ranges: StoredRange[] = [];
    const end = Math.min(first + count - 1, this.#last);
    for (let index = this.#indexOf(first); index < this.#numbers.length; index += RUN_NUMBERS) {
      const [runFirst = 0, firstSequence = 0, publishedAt = 0, next = this.#last + 1] = this.#numbers.slice(
        index,
        index + 4,
      );
      const from = Math.max(first, runFirst);
      if (from > end) {
        break;
      }
      const within = Math.min(end, next - 1) - from + 1;
      ranges.push({ count: within, firstSequence: firstSequence + from - runFirst, publishedAt, duplicate: true });
    }
    return ranges;
  }

  /** The oldest sequence of the producer whose place is known; one past the last when none is. */
  get oldest(): number {
    return this.#numbers[0] ?? this.#last + 1;
  }

  /** Where the numbers of the run begin that holds a sequence; of the oldest for one that is older. */
  #indexOf(sequence: number): number {
    let [low, high] = [0, this.size - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#numbers[middle * RUN_NUMBERS] ?? 0) <= sequence) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return Math.max(0, low) * RUN_NUMBERS;
  }

  /** Runs that end before the last `producerMessages`, some at a time: a shift of all for each would cost more. */
  #forgetOld(): void {
    const needed = this.#last - LIMITS.producerMessages + 1;
    if (this.oldest + LIMITS.producerMessages < needed) {
      this.#numbers.splice(0, this.#indexOf(needed));
    }
  }
}

/** What a stream knows of a producer, and where its last messages are. */
export type KnownProducer = ProducerState & { lastSequence: number; lastPublishedAt: number; runs: Runs };

/**
 * Where messages of a producer are that are stored already, in their order.
 *
 * @param known What the stream knows of it; its last message stands for those whose place is not known any more.
 */
export function rangesOf(known: KnownProducer, first: number, count: number): StoredRange[] {
  const { runs, lastSequence, lastPublishedAt } = known;
  const forgotten = Math.min(count, Math.max(0, runs.oldest - first));
  const about: StoredRange[] =
    forgotten === 0
      ? []
      : [
          {
            count: forgotten,
            firstSequence: lastSequence,
            publishedAt: lastPublishedAt,
            duplicate: true,
            approximate: true,
          },
        ];
  return [...about, ...runs.find(first + forgotten, count - forgotten)];
}
