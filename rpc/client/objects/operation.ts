import { deferred } from "../deferred.ts";
import { DurableStreamError } from "../error.ts";
import { must } from "../option.ts";
import type { CallOptions } from "../calls/pending-call.ts";
import type { Task } from "../calls/pending-calls.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { monotonicMs, sleep, startTimer, stopTimer } from "../time.ts";

/** The slowest rate at which a body may be sent, when there is no deadline: bytes per millisecond, so 256 kbit/s. */
const SLOWEST_BYTES_PER_MS = 32;

/** How a call or request is repeated. */
type Repetition = {
  /** Bytes of its body: without a deadline, its timeout grows with them. */
  readonly bytes?: number;
  /** Whether an error is final, although its name is retryable. */
  readonly isOver?: (error: DurableStreamError) => boolean;
};

/** What an operation needs of its client. */
export type OperationHost = {
  /** Default timeout of a call, in milliseconds. */
  readonly timeoutMs: number;
  begin(task: Task): void;
  finish(task: Task): void;
};

/**
 * One operation on an object. Its calls, requests, reads and pauses share one signal and, if a `timeoutMs` was given, one
 * deadline. Without a `timeoutMs` each step has the timeout of a call, and the whole has none.
 */
export class Operation implements Task {
  readonly #host: OperationHost;
  /** The caller's signal. */
  readonly #given: AbortSignal | undefined;
  readonly #deadlineAt: number;
  readonly #controller = new AbortController();
  /** The error of an earlier attempt that may have been done. */
  #unknown: DurableStreamError | undefined;
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

  /** Read timeout: milliseconds without a byte before the read of a body is broken off. */
  get patienceMs(): number {
    return this.#host.timeoutMs;
  }

  /** Timeout for sending so many bytes, in milliseconds; none with a deadline, which alone counts then. */
  sendingMs(bytes: number): number {
    return this.#deadlineAt === Number.POSITIVE_INFINITY
      ? this.#host.timeoutMs + bytes / SLOWEST_BYTES_PER_MS
      : Number.POSITIVE_INFINITY;
  }

  /** @throws The reason of the caller's signal, if it was aborted: it takes precedence over any other error. */
  throwIfAbortedByCaller(): void {
    this.#given?.throwIfAborted();
  }

  /** It needs nothing more of the client, which need not wait for it to close. */
  leave(): void {
    this.#host.finish(this);
  }

  /** It has ended: stops listening to the caller's signal. */
  end(): void {
    this.leave();
    this.#given?.removeEventListener("abort", this.#abort);
  }

  /** The client closes or has failed. */
  giveUp(reason: DurableStreamError): void {
    this.stop(reason);
  }

  /** Aborts the current step. */
  stop(reason?: unknown): void {
    this.end();
    this.#controller.abort(reason);
  }

  /**
   * The options of the next call, whose timeout is the time that is left.
   *
   * @throws The signal's reason; Unavailable after the deadline.
   */
  calling(): CallOptions {
    this.signal.throwIfAborted();
    const timeoutMs = this.#leftMs();
    return { signal: this.signal, ...(timeoutMs === Number.POSITIVE_INFINITY ? {} : { timeoutMs }) };
  }

  /**
   * Waits for a step, until the deadline and for at most `mostMs`. The signal that the step gets aborts when nothing waits
   * for it any more.
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

  /**
   * Waits before the next attempt after so many failures, at most `mostMs`.
   *
   * @throws What `within` does.
   */
  async pause(error: DurableStreamError, failures: number, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    await this.within((signal) => sleep(Math.min(pauseMs(error, failures), mostMs), signal));
  }

  /**
   * Makes a call or request that is safe to repeat, with retries after retryable errors, until the deadline or for the
   * timeout of one call. An attempt that returns undefined did nothing.
   *
   * @throws OutcomeUnknown when an attempt may have been done, whatever later attempts were answered.
   */
  async persist<T>(attempt: (options: CallOptions) => Promise<T>, repetition: Repetition = {}): Promise<T> {
    const done = await this.#repeat(attempt, {
      ...repetition,
      failed: (error) => {
        this.#unknown ??= error.name === "OutcomeUnknown" ? error : undefined;
      },
    });
    if (done !== undefined) {
      this.#unknown = undefined;
    }
    return done;
  }

  /**
   * Makes a call as {@link persist} does, for a step that has no effect without a later one.
   *
   * @throws Unavailable when the outcome of this step is unknown: the operation as a whole was not done.
   */
  async persistStep<T>(step: (options: CallOptions) => Promise<T>): Promise<T> {
    try {
      return await this.#repeat(step, {});
    } catch (error) {
      throw this.#unknown === undefined ? notDone(error) : error;
    }
  }

  async #repeat<T>(
    attempt: (options: CallOptions) => Promise<T>,
    { bytes = 0, isOver, failed }: Repetition & { failed?: (error: DurableStreamError) => void },
  ): Promise<T> {
    const giveUpAt = Math.min(this.#deadlineAt, monotonicMs() + this.sendingMs(bytes));
    this.#leftMs();
    for (let failures = 1; ; failures += 1) {
      try {
        this.signal.throwIfAborted();
        return await attempt({ signal: this.signal, timeoutMs: giveUpAt - monotonicMs() });
      } catch (error) {
        this.throwIfAbortedByCaller();
        if (!(error instanceof DurableStreamError)) {
          throw error;
        }
        failed?.(error);
        const mayFollow = isRetryable(error) && isOver?.(error) !== true;
        if (!mayFollow || !(await this.#pausedInTime(error, failures, giveUpAt))) {
          throw this.#unknown === undefined || this.#unknown === error ? error : stillUnknown(this.#unknown, error);
        }
      }
    }
  }

  /** Waits before the next attempt. @returns False when there is none: the time is over, or the client closes. */
  async #pausedInTime(error: DurableStreamError, failures: number, giveUpAt: number): Promise<boolean> {
    if (!this.signal.aborted && monotonicMs() < giveUpAt) {
      try {
        await this.pause(error, failures, giveUpAt - monotonicMs());
        return monotonicMs() < giveUpAt;
      } catch {
        this.throwIfAbortedByCaller();
        // Safe: the caller throws the error of the last attempt, which says more than why the pause ended.
      }
    }
    return false;
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

function stillUnknown(unknown: DurableStreamError, cause: DurableStreamError): DurableStreamError {
  return new DurableStreamError("OutcomeUnknown", `${unknown.message}; then: ${cause.message}`, { cause });
}

function notDone(error: unknown): unknown {
  return error instanceof DurableStreamError && error.name === "OutcomeUnknown"
    ? new DurableStreamError("Unavailable", `${error.message}; the object was not put`, { cause: error })
    : error;
}
