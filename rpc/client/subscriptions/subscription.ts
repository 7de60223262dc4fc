/// <reference lib="esnext.disposable" preserve="true" />
import type { MethodResult } from "../../methods.ts";

import { deferred } from "../calls/deferred.ts";
import type { Deferred } from "../calls/deferred.ts";
import { DurableStreamError } from "../error.ts";
import { EventQueue } from "./event-queue.ts";
import type { Handler, StreamEvent } from "./events.ts";
import { report } from "../report.ts";
import { backoffMs } from "../retry.ts";
import { DRAIN_MS, startTimer, stopTimer, waitAtMost } from "../time.ts";
import type { Timer } from "../time.ts";

/** How a subscription is read. */
export type SubscriptionOptions = {
  /** Ends the subscription, as `close` does. */
  signal?: AbortSignal;
  /**
   * How long the server may take to answer the first `subscribe`, in milliseconds, waiting for a connection included. Then
   * it ends with Unavailable.
   *
   * @defaultValue as long as it takes
   */
  timeoutMs?: number;
  /**
   * `"auto"`: an event is acked when its handler is done, or the next one is asked for. `"manual"`: by its `ack()`, at
   * any time. At most `maxInFlight` messages come without an ack.
   *
   * @defaultValue `"auto"`
   */
  ack?: "auto" | "manual";
};

/** How a subscription is read by a handler. */
export type HandlerOptions<Event> = SubscriptionOptions & {
  /**
   * Hears each error that the handler throws, instead of `console.error`. The event then comes again, unless it is acked
   * or otherwise settled by then, which `onError` may do too: a consumer's message after the consumer's backoff, or it
   * goes to the dead letters; any other event here and before all others, after a random pause of up to 200 ms that
   * doubles up to 5 s. An error that `onError` throws ends the subscription.
   *
   * @example
   * ```ts
   * client.subscribe({ stream, consumer }, work, { onError: (error, job) => job.term(String(error)) });
   * ```
   */
  onError?: (error: unknown, event: Event) => void | Promise<void>;
};

/** What a subscription is read by, if not by a loop. */
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
};

/** Where the follower behind a subscription puts what it hears. */
export type SubscriptionSink<Event> = {
  readonly queue: EventQueue<Event>;
  /** The server has answered `subscribe`. */
  begun(answer: MethodResult<"subscribe">): void;
  /** The client closes: nothing more is handed on. @returns When the handler is done; undefined when it is already. */
  finish(): Promise<void> | undefined;
  /** It is over; with an error unless it was closed. */
  ended(error?: unknown): void;
};

/**
 * What a stream or a consumer sends, through any number of sockets, one at a time: the next one comes when it is done. It
 * is read by `for await`, or by the handler it was made with.
 */
export class Subscription<Event = StreamEvent> implements AsyncIterableIterator<Event, undefined> {
  readonly #queue = new EventQueue<Event>();
  readonly #begun = deferred<MethodResult<"subscribe">>();
  readonly #over = deferred<void>();
  /** While it drains: the event in hand is done, or it is all over. */
  #idle: Deferred<void> | undefined;
  /** While an event waits to be handled again: it is not to be any more. */
  #pause: Deferred<"over"> | undefined;
  #isOver = false;
  #isRead = false;
  #timer: Timer | undefined;
  readonly #follower: SubscriptionSource;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.close();

  /** Made by the `subscribe` of a client. */
  constructor(
    follow: (sink: SubscriptionSink<Event>) => SubscriptionSource,
    reading: Reading<Event> | undefined,
    { signal, timeoutMs }: Pick<SubscriptionOptions, "signal" | "timeoutMs">,
  ) {
    this.#signal = signal;
    // Before it follows: what is over at once lets go of its signal at once.
    signal?.addEventListener("abort", this.#abort);
    if (timeoutMs !== undefined) {
      const why = `subscribe was not answered within ${timeoutMs} ms`;
      this.#timer = startTimer(timeoutMs, () => this.#follower.end(new DurableStreamError("Unavailable", why)));
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
      // Safe: who does not ask for it learns of the failure where events are read.
    });
    if (reading === undefined) {
      this.ended.catch(() => {
        // Safe: the reader is told by `next`.
      });
    } else {
      this.#isRead = true;
      void this.#run(reading);
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

  /** Says that the event before is done, and waits for the next one. For one reader: a handler is one. */
  async next(): Promise<IteratorResult<Event, undefined>> {
    const { value } = await this.#take(false);
    return value === undefined ? { value, done: true } : { value: value[0], done: false };
  }

  /**
   * Like `next`, for all messages that came in one frame and wait here: they are done together, by asking for what comes
   * after them. Any other event is alone.
   */
  nextBatch(): Promise<IteratorResult<[Event, ...Event[]], undefined>> {
    return this.#take(true);
  }

  /** Ends the subscription, as leaving a `for await` loop does. */
  return(): Promise<IteratorResult<Event, undefined>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  /**
   * For one `for await`.
   *
   * @throws TypeError When it is read already: a second reader would say of what the first one has in hand that it is
   * done.
   */
  [Symbol.asyncIterator](): this {
    if (this.#isRead) {
      throw new TypeError("a subscription has one reader: subscribe again for another");
    }
    this.#isRead = true;
    return this;
  }

  /**
   * Ends the subscription in order: hands nothing on any more, and waits until the event in hand is done, and acks are
   * stored. Not to be awaited by what handles that event.
   *
   * @param timeoutMs How long to wait; 10,000 unless given.
   */
  async drain({ timeoutMs = DRAIN_MS }: { timeoutMs?: number } = {}): Promise<void> {
    await waitAtMost(timeoutMs, this.#settle());
    this.close();
  }

  /** Ends the subscription at once: acks what is done, and hands nothing on any more. */
  close(): void {
    this.#follower.end();
  }

  /** Ends the subscription as `close` does: `await using orders = client.subscribe(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #take(isBatch: boolean): Promise<IteratorResult<[Event, ...Event[]], undefined>> {
    const next = this.#queue.next(isBatch);
    this.#idle?.resolve();
    return next;
  }

  async #settle(): Promise<void> {
    await this.#finish();
    await this.#follower.store();
  }

  #finish(): Promise<void> | undefined {
    this.#queue.end();
    this.#pause?.resolve("over");
    // Where a loop was left, or a handler failed, the event in hand will never be done.
    if (this.#isOver || !this.#queue.isInHand || this.#pause !== undefined) {
      return undefined;
    }
    this.#idle ??= deferred<void>();
    return this.#idle.promise;
  }

  async #run(reading: Reading<Event>): Promise<void> {
    try {
      // Not `for await`, which would close it before its error is known.
      for (let next = await this.next(); next.done !== true; next = await this.next()) {
        if (!(await this.#handle(next.value, reading))) {
          // Nothing may say of this event that it is done.
          this.#idle?.resolve();
          return;
        }
      }
    } catch (error) {
      this.#follower.end(error);
    }
  }

  /** Has an event handled, as often as it takes. @returns False when it is over before that. */
  async #handle(event: Event, reading: Reading<Event>): Promise<boolean> {
    for (let failures = 1; await this.#fails(event, reading); failures += 1) {
      if (this.#queue.isEnded) {
        return false;
      }
      this.#pause = deferred<"over">();
      const cut = await waitAtMost(backoffMs(failures), this.#pause.promise);
      this.#pause = undefined;
      if (cut === "over") {
        return false;
      }
    }
    return true;
  }

  /** Has an event handled once. @returns Whether it is to be handled again. */
  async #fails(event: Event, { handler, onError = reportFailure }: Reading<Event>): Promise<boolean> {
    let isAgain = false;
    try {
      await handler(event);
    } catch (error) {
      try {
        await onError(error, event);
      } finally {
        // After it, so that the last word is not said before it has a say.
        isAgain = this.#queue.failed();
      }
    }
    return isAgain;
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

function reportFailure(error: unknown): void {
  report("a handler failed, and gets its event again", error);
}
