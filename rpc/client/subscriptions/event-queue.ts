import { deferred } from "../deferred.ts";
import type { Deferred } from "../deferred.ts";

/** An event with the callbacks for what becomes of it. */
export type QueuedEvent<Event> = {
  readonly event: Event;
  /** The reader has asked for the next one. */
  readonly done?: (() => void) | undefined;
  /** The handler failed. Returns whether it is to be handled again, before all others; true if absent. */
  readonly failed?: () => boolean;
  /** It was dropped before it was delivered. */
  readonly dropped?: () => void;
};

/** What one read returns. */
export type Batch<Event> = IteratorResult<[Event, ...Event[]], undefined>;

type Waiting<Event> = QueuedEvent<Event> & { readonly together: object };
type Reader<Event> = Deferred<Batch<Event>> & { readonly isBatch: boolean };

/**
 * A queue of events for one reader. Asking for the next event, or batch, says that the one before is done; so only one is
 * delivered at a time.
 */
export class EventQueue<Event> {
  #waiting: Waiting<Event>[] = [];
  readonly #readers: Reader<Event>[] = [];
  #inHand: Waiting<Event>[] = [];
  #end: { readonly error: unknown } | undefined;

  /** Whether no event is queued. */
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

  /** Appends events. Those of one call may be read as one batch. */
  push(together: readonly QueuedEvent<Event>[]): void {
    if (this.#end === undefined) {
      this.#waiting.push(...together.map((one) => ({ ...one, together })));
      this.#serve();
    }
  }

  /** The handler failed with the event in hand. @returns Whether it is to be handled again. */
  failed(): boolean {
    return this.#inHand.map(({ failed }) => failed?.() ?? true).includes(true);
  }

  /** Drops the events that were not delivered yet. */
  dropWaiting(): void {
    for (const { dropped } of this.#waiting.splice(0)) {
      dropped?.();
    }
  }

  /** Delivers nothing more, and drops what is queued. With an error, the reader gets that. */
  end(error?: unknown): void {
    if (this.#end === undefined) {
      this.#end = { error };
      this.dropWaiting();
      this.#serve();
    }
  }

  /** Says that the event or batch before is done, and waits for the next. */
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

  /** Takes the queued events that were appended together with the first. */
  #takeOf(together: object): Waiting<Event>[] {
    const end = this.#waiting.findIndex((waiting) => waiting.together !== together);
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }
}
