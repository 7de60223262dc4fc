/// <reference lib="esnext.disposable" preserve="true" />
import type { MethodResult } from "../../methods/methods.ts";

import { deferred } from "../deferred.ts";
import type { Deferred } from "../deferred.ts";
import { DurableStreamError, unanswered } from "../error.ts";
import { EventQueue } from "./event-queue.ts";
import type { Batch } from "./event-queue.ts";
import type { Handler, StreamEvent } from "./events.ts";
import { logError } from "../log.ts";
import { backoffMs } from "../retry.ts";
import { checked, SchemaError } from "./schema.ts";
import type { StandardSchema } from "./schema.ts";
import { DRAIN_MS, startTimer, stopTimer, waitAtMost } from "../time.ts";
import type { Timer } from "../time.ts";

/** How a subscription is read. @typeParam Data What the schema makes of the data of a message. */
export type SubscriptionOptions<Data = unknown> = {
  /**
   * Checks the data of each message, and gives it its type: a validator of any library that follows Standard Schema
   * (valibot, zod, arktype and others). What it makes of the data is what the reader gets.
   *
   * A message that it refuses is not given to the handler. `onError` is told of it, or else `console.error`, by a
   * {@link SchemaError}, and it is not tried again, as it would fail again: a message of a consumer becomes a dead letter,
   * which can be looked at and retried once the schema is mended; of a stream the message counts as done (with manual acks,
   * the next ack covers it). So nothing is lost without a word, and nothing behind it waits. To wait instead, `nak` a consumer's message in `onError`; to stop, throw
   * there. Typed consumers of Kafka do the same: bad records go to the recoverer, by default without a retry.
   * A `for await` throws the error and ends, and the message is not acked.
   */
  schema?: StandardSchema<Data>;
  /** Ends the subscription, as `close` does. */
  signal?: AbortSignal;
  /**
   * How long the server may take to answer the first `subscribe`, in milliseconds, waiting for a connection included. After
   * that the subscription ends with Unavailable.
   *
   * @defaultValue no timeout
   */
  timeoutMs?: number;
  /**
   * `"auto"`: an event is acked when its handler is done, or when the next one is asked for. `"manual"`: it is acked by its
   * `ack()`, at any time. At most `maxInFlight` messages are sent without an ack.
   *
   * @defaultValue `"auto"`
   */
  ack?: "auto" | "manual";
  /**
   * Of a stream: ends the subscription with the epoch that it follows, by NotFound when the stream was deleted, EpochChanged
   * when it was made again, and Conflict or EpochChanged when it was restored to an earlier state. Given `epoch` as well, it
   * never makes a stream. Unless set it goes on with the event `epochChanged`, and makes a stream that was deleted.
   *
   * @defaultValue `false`
   */
  endsWithEpoch?: boolean;
};

/** How a subscription is read by a handler. */
export type HandlerOptions<Event, Data = unknown> = SubscriptionOptions<Data> & {
  /**
   * Called with each error that the handler throws, instead of `console.error`, and with the {@link SchemaError} of a message
   * that the `schema` refuses, whose data it gets as it came. After an error of the handler the event comes again, unless
   * the handler or `onError` has settled it (`ack`, `nak` or `term`). A consumer's message is given back: it is redelivered
   * after the consumer's backoff, or goes to the dead letters. Any other event is handled again here, before all others,
   * after a random pause of up to 200 ms, a bound that doubles with each failure up to 5 s. An error that `onError` throws
   * ends the subscription.
   *
   * @example
   * ```ts
   * client.subscribe({ stream, consumer }, work, { onError: (error, job) => job.term(String(error)) });
   * ```
   */
  onError?: (error: unknown, event: Event) => void | Promise<void>;
};

/** The handler that reads a subscription, when it is not read by a loop. */
export type Reading<Event> = {
  readonly handler: Handler<Event>;
  readonly onError: HandlerOptions<Event>["onError"] | undefined;
};

/** What a subscription needs of the follower behind it. */
export type SubscriptionSource = {
  /** Waits until the acks are stored. @returns Undefined when there is nothing to wait for. */
  store(): Promise<void> | undefined;
  /** Ends it: sends the acks that are due, and delivers nothing more. */
  end(error?: unknown): void;
  /** Why no socket is open; undefined when one is, or when no attempt has failed yet. */
  whyOffline(): DurableStreamError | undefined;
};

/** What a follower needs of its subscription. */
export type SubscriptionSink<Event> = {
  readonly queue: EventQueue<Event>;
  /** The server has answered `subscribe`. */
  begun(answer: MethodResult<"subscribe">): void;
  /** The client closes: delivers nothing more. @returns When the handler is done; undefined when it is already. */
  finish(): Promise<void> | undefined;
  /** The follower has ended; with an error unless it was closed. */
  ended(error?: unknown): void;
};

/**
 * The events of a stream or a consumer, over any number of sockets. They are delivered one at a time: the next one when the
 * one before is done. It is read by `for await`, or by the handler it was made with.
 */
export class Subscription<Event = StreamEvent> implements AsyncIterableIterator<Event, undefined> {
  readonly #queue = new EventQueue<Event>();
  readonly #begun = deferred<MethodResult<"subscribe">>();
  readonly #over = deferred<void>();
  /** While it drains: resolves when the event in hand is done, or the subscription has ended. */
  #idle: Deferred<void> | undefined;
  /** While a failed event waits to be handled again: resolves when it is not to be any more. */
  #pause: Deferred<"over"> | undefined;
  #isOver = false;
  #isRead = false;
  #timer: Timer | undefined;
  readonly #follower: SubscriptionSource;
  readonly #signal: AbortSignal | undefined;
  readonly #schema: StandardSchema | undefined;
  readonly #abort = () => this.close();

  /** Made by the `subscribe` of a client. */
  constructor(
    follow: (sink: SubscriptionSink<Event>) => SubscriptionSource,
    reading: Reading<Event> | undefined,
    { signal, timeoutMs, schema }: Pick<SubscriptionOptions, "signal" | "timeoutMs" | "schema">,
  ) {
    this.#signal = signal;
    this.#schema = schema;
    // Before `follow`: a subscription that ends at once removes the listener at once.
    signal?.addEventListener("abort", this.#abort);
    if (timeoutMs !== undefined) {
      this.#timer = startTimer(timeoutMs, () => {
        const cause = this.#follower.whyOffline();
        const message = unanswered(`subscribe was not answered within ${timeoutMs} ms`, cause);
        this.#follower.end(new DurableStreamError("Unavailable", message, { cause }));
      });
    }
    this.#follower = follow({
      queue: this.#queue,
      begun: (answer) => {
        stopTimer(this.#timer);
        this.#begun.resolve(answer);
      },
      finish: () => (reading === undefined ? undefined : this.#finish()),
      ended: (error) => this.#ended(error),
    });
    this.ready.catch(() => {
      // Safe: the reader of the events gets the same failure.
    });
    if (reading === undefined) {
      this.ended.catch(() => {
        // Safe: the reader gets the same failure from `next`.
      });
    } else {
      this.#isRead = true;
      void this.#run(schema === undefined ? reading : checking(reading, schema));
    }
  }

  /** The server's answer to the first `subscribe`; rejects when there will be none. */
  get ready(): Promise<MethodResult<"subscribe">> {
    return this.#begun.promise;
  }

  /** Resolves when the subscription was closed; rejects with what ended it, which an error of the handler does not. */
  get ended(): Promise<void> {
    return this.#over.promise;
  }

  /** Says that the event before is done, and waits for the next one. There may be one reader; a handler is one. */
  next(): Promise<IteratorResult<Event, undefined>> {
    return this.#checked(this.#next(), (event, schema) => checked(event, schema));
  }

  /**
   * Like `next`, for all queued messages of one frame: they are done together, when the next event or batch is asked for.
   * Any other event is a batch of one.
   */
  nextBatch(): Promise<Batch<Event>> {
    const next = this.#queue.nextBatch();
    this.#idle?.resolve();
    return this.#checked(next, ([first, ...rest], schema) =>
      Promise.all([checked(first, schema), ...rest.map((event) => checked(event, schema))]),
    );
  }

  /** Ends the subscription, as leaving a `for await` loop does. */
  return(): Promise<IteratorResult<Event, undefined>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  /**
   * For one `for await`.
   *
   * @throws TypeError When it has a reader already: a second one would ack what the first has in hand.
   */
  [Symbol.asyncIterator](): this {
    if (this.#isRead) {
      throw new TypeError("a subscription has one reader: subscribe again for another");
    }
    this.#isRead = true;
    return this;
  }

  /**
   * Ends the subscription in order: delivers nothing more, and waits until the event in hand is done and its acks are
   * stored. A handler must not await it.
   *
   * @param timeoutMs How long to wait, in milliseconds; 10,000 unless given. After that it ends as `close` does.
   */
  async drain({ timeoutMs = DRAIN_MS }: { timeoutMs?: number } = {}): Promise<void> {
    await waitAtMost(timeoutMs, this.#finishAndStore());
    this.close();
  }

  /** Ends the subscription at once: acks what is done, and delivers nothing more. */
  close(): void {
    this.#follower.end();
  }

  /** Ends the subscription as `close` does: `await using orders = client.subscribe(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #finishAndStore(): Promise<void> {
    await this.#finish();
    await this.#follower.store();
  }

  #finish(): Promise<void> | undefined {
    this.#queue.end();
    this.#pause?.resolve("over");
    // After a loop was left, or while a failed event waits for its retry, the event in hand will never be done.
    if (this.#isOver || !this.#queue.isInHand || this.#pause !== undefined) {
      return undefined;
    }
    this.#idle ??= deferred<void>();
    return this.#idle.promise;
  }

  #next(): Promise<IteratorResult<Event, undefined>> {
    const next = this.#queue.next();
    this.#idle?.resolve();
    return next;
  }

  /** What a loop gets next, checked by the schema if there is one. What that refuses ends the subscription. */
  #checked<T>(
    next: Promise<IteratorResult<T, undefined>>,
    check: (value: T, schema: StandardSchema) => Promise<T>,
  ): Promise<IteratorResult<T, undefined>> {
    const schema = this.#schema;
    if (schema === undefined) {
      return next;
    }
    return next.then(async (result) => {
      try {
        return result.done === true ? result : { value: await check(result.value, schema), done: false };
      } catch (error) {
        this.#follower.end(error);
        throw error;
      }
    });
  }

  async #run(reading: Reading<Event>): Promise<void> {
    try {
      // Not `for await`, which would close the subscription before the handler's error is known.
      for (let next = await this.#next(); next.done !== true; next = this.#poll() ?? (await this.#next())) {
        try {
          const handling = reading.handler(next.value);
          // One that is done already takes no turn: so all messages of a frame are handled in one.
          if (typeof handling === "object") {
            await handling;
          }
        } catch (error) {
          if (!(await this.#handleAgain(error, next.value, reading))) {
            // Asking for the next one would ack this event.
            this.#idle?.resolve();
            return;
          }
        }
      }
    } catch (error) {
      this.#follower.end(error);
    }
  }

  /** Like `next`, for what is there already. */
  #poll(): IteratorResult<Event, undefined> | undefined {
    const next = this.#queue.poll();
    this.#idle?.resolve();
    return next;
  }

  /** After an error, calls the handler until it succeeds. @returns False when the subscription ended before. */
  async #handleAgain(error: unknown, event: Event, reading: Reading<Event>): Promise<boolean> {
    const { handler, onError = logFailure } = reading;
    let latest = error;
    for (let failures = 1; ; failures += 1) {
      let isAgain = false;
      // When `onError` throws, the event is given back, whatever was wrong with it.
      let told: unknown;
      try {
        await onError(latest, event);
        told = latest;
      } finally {
        // After `onError`, which may still settle the event.
        isAgain = this.#queue.failed(told);
      }
      if (!isAgain) {
        return true;
      }
      if (this.#queue.isEnded || (await this.#waitFor(backoffMs(failures))) === "over") {
        return false;
      }
      try {
        await handler(event);
        return true;
      } catch (again) {
        latest = again;
      }
    }
  }

  async #waitFor(ms: number): Promise<"over" | undefined> {
    this.#pause = deferred<"over">();
    const cut = await waitAtMost(ms, this.#pause.promise);
    this.#pause = undefined;
    return cut;
  }

  #ended(error: unknown): void {
    this.#isOver = true;
    stopTimer(this.#timer);
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#begun.reject(error ?? new DurableStreamError("Unavailable", "the subscription was closed"));
    this.#queue.end(error);
    this.#pause?.resolve("over");
    this.#idle?.resolve();
    if (error === undefined) {
      this.#over.resolve();
    } else {
      this.#over.reject(error);
    }
  }
}

/** A handler that gets what a schema makes of its events. */
function checking<Event>({ handler, onError }: Reading<Event>, schema: StandardSchema): Reading<Event> {
  return { handler: async (event) => handler(await checked(event, schema)), onError };
}

function logFailure(error: unknown): void {
  const isRefused = error instanceof SchemaError;
  logError(isRefused ? "a message was passed over" : "a handler failed, and gets its event again", error);
}
