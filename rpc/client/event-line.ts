import { deferred } from "./deferred.ts";
import type { Deferred } from "./deferred.ts";

/** What becomes of an event of a line. */
export type EventFate = {
  /** The reader has asked for what comes after it. */
  done(): void;
  /** The reader could not do it. @returns Whether it is to be handled again, here and before all others. */
  failed(): boolean;
  /** It is forgotten before the reader was given it. */
  dropped?(): void;
};

type Waiting<Event> = { readonly event: Event; readonly fate: EventFate };

/** A line of events for one reader, who says that one is done by asking for the next. Only one is out at a time. */
export class EventLine<Event> {
  #waiting: Waiting<Event>[] = [];
  readonly #readers: Deferred<IteratorResult<Event, undefined>>[] = [];
  #inHand: EventFate | undefined;
  #end: { readonly error: unknown } | undefined;

  /** Whether nothing is waiting for the reader. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether the reader has an event that is not done. */
  get isInHand(): boolean {
    return this.#inHand !== undefined;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  push(event: Event, fate: EventFate): void {
    if (this.#end === undefined) {
      this.#waiting.push({ event, fate });
      this.#serve();
    }
  }

  /** Says that the event in hand could not be done. @returns Whether it is to be handled again. */
  failed(): boolean {
    return this.#inHand?.failed() ?? false;
  }

  /** Forgets what the reader was not given yet. */
  dropWaiting(): void {
    for (const { fate } of this.#waiting.splice(0)) {
      fate.dropped?.();
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

  next(): Promise<IteratorResult<Event, undefined>> {
    const inHand = this.#inHand;
    this.#inHand = undefined;
    inHand?.done();
    const reader = deferred<IteratorResult<Event, undefined>>();
    this.#readers.push(reader);
    this.#serve();
    return reader.promise;
  }

  #serve(): void {
    while (this.#readers.length > 0 && (this.#end !== undefined || (this.#waiting.length > 0 && !this.isInHand))) {
      const reader = this.#readers.shift();
      const next = this.#waiting.shift();
      if (next !== undefined) {
        this.#inHand = next.fate;
        reader?.resolve({ value: next.event, done: false });
      } else if (this.#end?.error === undefined) {
        reader?.resolve({ value: undefined, done: true });
      } else {
        reader?.reject(this.#end.error);
      }
    }
  }
}
