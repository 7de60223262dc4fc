import { deferred } from "./deferred.ts";
import type { Deferred } from "./deferred.ts";

type Waiting<Event> = { readonly event: Event; readonly whenDone: () => void; readonly whenDropped: () => void };

/** A line of events for one reader, who says that one is done by asking for the next. Only one is out at a time. */
export class EventLine<Event> {
  #waiting: Waiting<Event>[] = [];
  readonly #readers: Deferred<IteratorResult<Event, undefined>>[] = [];
  #whenDone: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;

  /** Whether nothing is waiting for the reader. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether the reader has an event that is not done. */
  get isInHand(): boolean {
    return this.#whenDone !== undefined;
  }

  push(event: Event, whenDone: () => void, whenDropped: () => void = () => undefined): void {
    if (this.#end === undefined) {
      this.#waiting.push({ event, whenDone, whenDropped });
      this.#serve();
    }
  }

  /** Forgets what the reader was not given yet. */
  dropWaiting(): void {
    for (const { whenDropped } of this.#waiting.splice(0)) {
      whenDropped();
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
    const whenDone = this.#whenDone;
    this.#whenDone = undefined;
    whenDone?.();
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
        this.#whenDone = next.whenDone;
        reader?.resolve({ value: next.event, done: false });
      } else if (this.#end?.error === undefined) {
        reader?.resolve({ value: undefined, done: true });
      } else {
        reader?.reject(this.#end.error);
      }
    }
  }
}
