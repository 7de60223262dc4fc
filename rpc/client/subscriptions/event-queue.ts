import { deferred } from "../calls/deferred.ts";
import type { Deferred } from "../calls/deferred.ts";

/** An event, and what becomes of it. */
export type QueuedEvent<Event> = {
  readonly event: Event;
  /** The reader has asked for what comes after it. */
  readonly done?: (() => void) | undefined;
  /** The reader could not do it. Returns whether it is to be handled again, here and before all others: true if absent. */
  readonly failed?: () => boolean;
  /** It is forgotten before the reader was given it. */
  readonly dropped?: () => void;
};

/** What a reader is given at once. */
export type Batch<Event> = IteratorResult<[Event, ...Event[]], undefined>;

type Waiting<Event> = QueuedEvent<Event> & { readonly together: object };
type Reader<Event> = Deferred<Batch<Event>> & { readonly isBatch: boolean };

/**
 * A line of events for one reader, who says that one is done, or one batch, by asking for the next. Only one is out at a
 * time.
 */
export class EventQueue<Event> {
  #waiting: Waiting<Event>[] = [];
  readonly #readers: Reader<Event>[] = [];
  #inHand: Waiting<Event>[] = [];
  #end: { readonly error: unknown } | undefined;

  /** Whether nothing is waiting for the reader. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether the reader has an event that is not done. */
  get isInHand(): boolean {
    return this.#inHand.length > 0;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Takes events in their order; a batch is of those that were taken at once. */
  push(together: readonly QueuedEvent<Event>[]): void {
    if (this.#end === undefined) {
      this.#waiting.push(...together.map((one) => ({ ...one, together })));
      this.#serve();
    }
  }

  /** Says that the event in hand could not be done. @returns Whether it is to be handled again. */
  failed(): boolean {
    return this.#inHand.map(({ failed }) => failed?.() ?? true).includes(true);
  }

  /** Forgets what the reader was not given yet. */
  dropWaiting(): void {
    for (const { dropped } of this.#waiting.splice(0)) {
      dropped?.();
    }
  }

  /** Nothing more comes, also not what is waiting; with an error, the reader gets it. */
  end(error?: unknown): void {
    if (this.#end === undefined) {
      this.#end = { error };
      this.dropWaiting();
      this.#serve();
    }
  }

  next(isBatch: boolean): Promise<Batch<Event>> {
    for (const { done } of this.#inHand.splice(0)) {
      done?.();
    }
    const reader = { ...deferred<Batch<Event>>(), isBatch };
    this.#readers.push(reader);
    this.#serve();
    return reader.promise;
  }

  #serve(): void {
    while (this.#readers.length > 0 && (this.#end !== undefined || (this.#waiting.length > 0 && !this.isInHand))) {
      const reader = this.#readers.shift();
      const first = this.#waiting.shift();
      if (first !== undefined) {
        const more = reader?.isBatch === true ? this.#takeOf(first.together) : [];
        this.#inHand = [first, ...more];
        reader?.resolve({ value: [first.event, ...more.map(({ event }) => event)], done: false });
      } else if (this.#end?.error === undefined) {
        reader?.resolve({ value: undefined, done: true });
      } else {
        reader?.reject(this.#end.error);
      }
    }
  }

  /** What waits next of those that came together. */
  #takeOf(together: object): Waiting<Event>[] {
    const end = this.#waiting.findIndex((waiting) => waiting.together !== together);
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }
}
