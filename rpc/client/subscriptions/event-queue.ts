import { deferred } from "../deferred.ts";
import type { Deferred } from "../deferred.ts";

/** What becomes of events is said to their owner. */
export type EventOwner<Event> = {
  /** The reader has asked for the next one. */
  readonly done?: ((event: Event) => void) | undefined;
  /** The handler failed, by `error`. Returns whether it is to be handled again, before all others; true if absent. */
  readonly failed?: (event: Event, error: unknown) => boolean;
  /** It was dropped before it was delivered. */
  readonly dropped?: (event: Event) => void;
};

/** Events that came together, in order; one at least. */
type Arrival<Event> = { readonly events: readonly Event[]; readonly owner: EventOwner<Event> };

/** Several events, or the end. */
export type Batch<Event> = IteratorResult<[Event, ...Event[]], undefined>;

/**
 * A queue of events for one reader. Asking for the next event, or batch, says that the one before is done; so only one is
 * delivered at a time.
 */
export class EventQueue<Event> {
  /** The first one may be delivered in part: see `#next`. */
  #arrivals: Arrival<Event>[] = [];
  /** Of the first arrival the events before `#done` are done, and those from there to before `#next` in hand. */
  #done = 0;
  #next = 0;
  /** Readers that wait, each with what gives it something as soon as there is something. */
  readonly #readers: (() => boolean)[] = [];
  #end: { readonly error: unknown } | undefined;

  /** Whether no event is queued. */
  get isEmpty(): boolean {
    return this.#arrivals.length <= 1 && this.#next >= (this.#arrivals[0]?.events.length ?? 0);
  }

  /** Whether the reader has an event that is not done. */
  get isInHand(): boolean {
    return this.#done < this.#next;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Appends events. Those of one call may be read as one batch. */
  push(events: readonly Event[], owner: EventOwner<Event>): void {
    if (this.#end === undefined && events.length > 0) {
      this.#arrivals.push({ events, owner });
      this.#serve();
    }
  }

  /** The handler failed with the event in hand, by `error`. @returns Whether it is to be handled again. */
  failed(error: unknown): boolean {
    const [{ events, owner } = { events: [], owner: {} }] = this.#arrivals;
    const inHand = events.slice(this.#done, this.#next);
    return inHand.map((event) => owner.failed?.(event, error) ?? true).includes(true);
  }

  /** Drops the events that were not delivered yet. */
  dropWaiting(): void {
    const dropped = this.#arrivals;
    const next = this.#next;
    const inHand = this.isInHand ? dropped.slice(0, 1) : [];
    this.#arrivals = inHand.map(({ events, owner }) => ({ events: events.slice(0, next), owner }));
    if (inHand.length === 0) {
      this.#done = 0;
      this.#next = 0;
    }
    dropped.forEach(({ events, owner }, index) => {
      events.slice(index === 0 ? next : 0).forEach((event) => owner.dropped?.(event));
    });
  }

  /** Delivers nothing more, and drops what is queued. With an error, the reader gets that. */
  end(error?: unknown): void {
    if (this.#end === undefined) {
      this.#end = { error };
      this.dropWaiting();
      this.#serve();
    }
  }

  /** Says that the event before is done, and takes the next if it is there; or the end, which throws its error. */
  poll(): IteratorResult<Event, undefined> | undefined {
    this.#finish();
    return this.#one();
  }

  /** Says that the event or batch before is done, and waits for the next event. */
  next(): Promise<IteratorResult<Event, undefined>> {
    return this.#read(() => this.#one());
  }

  /** Like {@link next}, for all queued events that came together. */
  nextBatch(): Promise<Batch<Event>> {
    return this.#read(() => this.#batch());
  }

  #read<T>(take: () => T | undefined): Promise<T> {
    this.#finish();
    const taken = this.#readers.length === 0 && this.#end === undefined ? take() : undefined;
    if (taken !== undefined) {
      return Promise.resolve(taken);
    }
    const reader = deferred<T>();
    this.#readers.push(() => give(take, reader));
    this.#serve();
    return reader.promise;
  }

  #serve(): void {
    while (this.#readers[0]?.() === true) {
      this.#readers.shift();
    }
  }

  #one(): IteratorResult<Event, undefined> | undefined {
    const value = this.isInHand ? undefined : this.#arrivals[0]?.events[this.#next];
    if (value === undefined) {
      return this.#over();
    }
    this.#next += 1;
    return { value, done: false };
  }

  #batch(): Batch<Event> | undefined {
    const [value, ...more] = this.isInHand ? [] : (this.#arrivals[0]?.events.slice(this.#next) ?? []);
    if (value === undefined) {
      return this.#over();
    }
    this.#next += 1 + more.length;
    return { value: [value, ...more], done: false };
  }

  /** The end, once it has come. @throws The error that it came with. */
  #over(): { value: undefined; done: true } | undefined {
    if (this.#end?.error !== undefined) {
      throw this.#end.error;
    }
    return this.#end === undefined ? undefined : { value: undefined, done: true };
  }

  /** What is in hand is done. */
  #finish(): void {
    const [first] = this.#arrivals;
    const done = this.#done;
    const next = this.#next;
    if (first === undefined || done === next) {
      return;
    }
    this.#done = next;
    if (next === first.events.length) {
      this.#arrivals.shift();
      this.#done = 0;
      this.#next = 0;
    }
    for (let at = done; at < next; at += 1) {
      const event = first.events[at];
      if (event !== undefined) {
        first.owner.done?.(event);
      }
    }
  }
}

/** Gives a reader what it waits for. @returns False when that is not there yet. */
function give<T>(take: () => T | undefined, reader: Deferred<T>): boolean {
  try {
    const taken = take();
    if (taken !== undefined) {
      reader.resolve(taken);
    }
    return taken !== undefined;
  } catch (error) {
    reader.reject(error);
    return true;
  }
}
