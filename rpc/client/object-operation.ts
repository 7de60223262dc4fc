import { deferred } from "./deferred.ts";
import { DurableStreamError } from "./error.ts";
import { must } from "./option.ts";
import type { CallOptions } from "./open-call.ts";
import type { Work } from "./open-calls.ts";
import { isPassing, pauseMs } from "./retry.ts";
import { monotonicMs, sleep, startTimer, stopTimer } from "./timer.ts";

/** So slow may a body be sent that is given up for no other reason, in bytes per millisecond: 256 kbit/s. */
const SLOWEST_BYTES_PER_MS = 32;

/** What an operation knows of its client. */
export type OperationHost = {
  /** How long one call may take for which nothing was said. */
  readonly timeoutMs: number;
  begin(work: Work): void;
  finish(work: Work): void;
};

/**
 * One work on an object as a whole: the calls, requests, reads and pauses it is made of share one signal and, if a
 * `timeoutMs` was given, one deadline. Without one each step has the time of a call, and the whole takes what it takes.
 */
export class Operation implements Work {
  readonly #host: OperationHost;
  readonly #given: AbortSignal | undefined;
  readonly #deadlineAt: number;
  readonly #controller = new AbortController();
  readonly #abort = () => this.#controller.abort(this.#given?.reason);

  constructor({ signal, timeoutMs = Number.POSITIVE_INFINITY }: CallOptions, host: OperationHost) {
    must(typeof timeoutMs === "number" && !Number.isNaN(timeoutMs), "timeoutMs", "a number");
    this.#host = host;
    this.#given = signal;
    this.#deadlineAt = monotonicMs() + timeoutMs;
    if (signal?.aborted === true) {
      this.#abort();
    }
    signal?.addEventListener("abort", this.#abort);
    host.begin(this);
  }

  /** Aborts with the caller's signal, by `stop`, and when the client closes. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How long nothing need be heard before a body that is read is taken for broken off. */
  get patienceMs(): number {
    return this.#host.timeoutMs;
  }

  /** How long so many bytes may be on their way; with a deadline that alone counts. */
  sendingMs(bytes: number): number {
    return this.#deadlineAt === Number.POSITIVE_INFINITY
      ? this.#host.timeoutMs + bytes / SLOWEST_BYTES_PER_MS
      : Number.POSITIVE_INFINITY;
  }

  /** @throws The reason of the caller's signal, which goes before what is known. */
  throwIfAbortedByCaller(): void {
    this.#given?.throwIfAborted();
  }

  /** What is left of it is here: closing the client need not wait for it. */
  leave(): void {
    this.#host.finish(this);
  }

  /** It is over: the caller's signal is not listened to any more. */
  end(): void {
    this.leave();
    this.#given?.removeEventListener("abort", this.#abort);
  }

  giveUp(reason: DurableStreamError): void {
    this.stop(reason);
  }

  /** Gives up what is under way. */
  stop(reason?: unknown): void {
    this.end();
    this.#controller.abort(reason);
  }

  /**
   * The options of the next call: what is left of the time.
   *
   * @throws The signal's reason; Unavailable when the time is over.
   */
  calling(): CallOptions {
    this.signal.throwIfAborted();
    const timeoutMs = this.#leftMs();
    return { signal: this.signal, ...(timeoutMs === Number.POSITIVE_INFINITY ? {} : { timeoutMs }) };
  }

  /**
   * Waits for a piece of work, no longer than there is time, or than `mostMs`. The signal it is given tells it that
   * nobody waits any more.
   *
   * @throws The signal's reason; Unavailable when it took too long.
   */
  async within<T>(work: (signal: AbortSignal) => Promise<T>, mostMs = Number.POSITIVE_INFINITY): Promise<T> {
    const { signal } = this;
    signal.throwIfAborted();
    const ms = Math.min(mostMs, this.#leftMs());
    const attempt = new AbortController();
    const given = deferred<never>();
    const giveUp = (reason: unknown) => {
      attempt.abort(reason);
      given.reject(reason);
    };
    const abort = () => giveUp(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = ms === Number.POSITIVE_INFINITY ? undefined : startTimer(ms, () => giveUp(overdue()));
    try {
      return await Promise.race([work(attempt.signal), given.promise]);
    } finally {
      stopTimer(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Waits before the next attempt after so many failures. */
  async pause(error: DurableStreamError, failures: number): Promise<void> {
    await this.within((signal) => sleep(pauseMs(error, failures), signal));
  }

  /**
   * Makes a call that does no harm when it is done twice, again and again while it fails for now, up to the deadline or
   * for as long as one call may take.
   *
   * @throws DurableStreamError Unavailable where the last failure left open whether the call was done: what it is part
   * of was not.
   */
  async persist<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
    const giveUpAt = Math.min(this.#deadlineAt, monotonicMs() + this.sendingMs(0));
    this.#leftMs();
    for (let failures = 1; ; failures += 1) {
      this.signal.throwIfAborted();
      try {
        return await call({ signal: this.signal, timeoutMs: giveUpAt - monotonicMs() });
      } catch (error) {
        if (!(error instanceof DurableStreamError) || !isPassing(error)) {
          throw error;
        }
        if (monotonicMs() < giveUpAt) {
          await this.pause(error, failures);
        }
        if (monotonicMs() >= giveUpAt) {
          throw notDone(error);
        }
      }
    }
  }

  #leftMs(): number {
    const leftMs = this.#deadlineAt - monotonicMs();
    if (leftMs <= 0) {
      throw overdue();
    }
    return leftMs;
  }
}

function overdue(): DurableStreamError {
  return new DurableStreamError("Unavailable", "it took too long");
}

function notDone(error: DurableStreamError): DurableStreamError {
  return error.name === "OutcomeUnknown"
    ? new DurableStreamError("Unavailable", `${error.message}; the object was not put`, { cause: error })
    : error;
}
