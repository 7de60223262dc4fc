/// <reference lib="esnext.disposable" preserve="true" />
import type { MethodResult } from "../methods.ts";

import { deferred } from "./deferred.ts";
import { DurableStreamError } from "./error.ts";
import { EventLine } from "./event-line.ts";
import type { ConsumerDelivery, Handler, StreamEvent } from "./events.ts";

/** How a subscription is read. */
export type SubscriptionOptions = {
  /** Ends the subscription, as `close` does. */
  signal?: AbortSignal;
  /** `auto`: an event is acked when its handler is done, or the next one is asked for. `manual`: by its `ack()`. */
  ack?: "auto" | "manual";
};

/** How a consumer's messages are handled. */
export type ConsumerSubscriptionOptions = SubscriptionOptions & {
  /** Hears what the handler threw and goes on; without it the subscription ends. The message is given back either way. */
  onError?: (error: unknown, delivery: ConsumerDelivery) => void;
};

/** Where the follower behind a subscription puts what it hears. */
export type SubscriptionSink<Event> = {
  readonly line: EventLine<Event>;
  /** The server has answered `subscribe`. */
  begun(answer: MethodResult<"subscribe">): void;
  /** It is over; with an error unless it was closed. */
  ended(error?: unknown): void;
};

/**
 * What a stream or a consumer sends, through any number of sockets, one at a time: the next one comes when it is done. It
 * is read by `for await`, or by the handler it was made with.
 */
export class Subscription<Event = StreamEvent> implements AsyncIterableIterator<Event, undefined> {
  readonly #line = new EventLine<Event>();
  readonly #begun = deferred<MethodResult<"subscribe">>();
  readonly #over = deferred<void>();
  readonly #endFollowing: (error?: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.#endFollowing();

  /** Made by the `subscribe` of a client. */
  constructor(
    follow: (sink: SubscriptionSink<Event>) => { end(error?: unknown): void },
    handler: Handler<Event> | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#signal = signal;
    const follower = follow({
      line: this.#line,
      begun: (answer) => this.#begun.resolve(answer),
      ended: (error) => this.#ended(error),
    });
    this.#endFollowing = (error) => follower.end(error);
    this.ready.catch(() => {
      // Safe: who does not ask for it learns of the failure where events are read.
    });
    if (handler === undefined) {
      this.ended.catch(() => {
        // Safe: the reader is told by `next`.
      });
    } else {
      void this.#run(handler);
    }
    signal?.addEventListener("abort", this.#abort);
  }

  /** The server's answer to the first `subscribe`; rejects when there will be none. */
  get ready(): Promise<MethodResult<"subscribe">> {
    return this.#begun.promise;
  }

  /** Resolves when the subscription was closed; rejects with what ended it, an error of the handler included. */
  get ended(): Promise<void> {
    return this.#over.promise;
  }

  /** Says that the event before is done, and waits for the next one. */
  next(): Promise<IteratorResult<Event, undefined>> {
    return this.#line.next();
  }

  /** Ends the subscription, as leaving a `for await` loop does. */
  return(): Promise<IteratorResult<Event, undefined>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the subscription: acks what is done, and hands nothing on any more. */
  close(): void {
    this.#endFollowing();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #run(handler: Handler<Event>): Promise<void> {
    try {
      // Not `for await`, which would close it before its error is known.
      for (let next = await this.next(); next.done !== true; next = await this.next()) {
        await handler(next.value);
      }
    } catch (error) {
      this.#endFollowing(error);
    }
  }

  #ended(error: unknown): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#begun.reject(error ?? new DurableStreamError("Unavailable", "the subscription was closed"));
    this.#line.end(error);
    if (error === undefined) {
      this.#over.resolve();
    } else {
      this.#over.reject(error);
    }
  }
}
