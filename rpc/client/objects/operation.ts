import { deferred } from "../calls/deferred.ts";
import { DurableStreamError } from "../error.ts";
import { must } from "../option.ts";
import type { CallOptions } from "../calls/pending-call.ts";
import type { Task } from "../calls/pending-calls.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { monotonicMs, sleep, startTimer, stopTimer } from "../time.ts";

/** So slow may a body be sent that is given up for no other reason, in bytes per millisecond: 256 kbit/s. */
const SLOWEST_BYTES_PER_MS = 32;

/** How a call or request is repeated. */
type Repetition = {
  /** Bytes of body that it takes along: without a deadline it has the time to send them. */
  readonly bytes?: number;
  /** Tells an error that no repetition changes, though others of its name pass. */
  readonly isOver?: (error: DurableStreamError) => boolean;
};

/** What an operation knows of its client. */
export type OperationHost = {
  /** How long one call may take for which nothing was said. */
  readonly timeoutMs: number;
  begin(task: Task): void;
  finish(task: Task): void;
};

/**
 * One work on an object as a whole: the calls, requests, reads and pauses it is made of share one signal and, if a
 * `timeoutMs` was given, one deadline. Without one each step has the time of a call, and the whole takes what it takes.
 */
export class Operation implements Task {
  readonly #host: OperationHost;
  readonly #given: AbortSignal | undefined;
  readonly #deadlineAt: number;
  readonly #controller = new AbortController();
  /** Of an attempt that may have done it, as long as none is known to have. */
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

  /**
   * Waits before the next attempt after so many failures, no longer than `mostMs`.
   *
   * @throws What `within` does.
   */
  async pause(error: DurableStreamError, failures: number, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    await this.within((signal) => sleep(Math.min(pauseMs(error, failures), mostMs), signal));
  }

  /**
   * Makes a call or request that does no harm when it is done twice, again and again while it fails for now, up to the
   * deadline or for as long as one may take. An attempt that gives undefined did nothing.
   *
   * @throws OutcomeUnknown when an attempt may have done it: what became of those after it says nothing of that one.
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
   * Makes a call as {@link persist} does that is a step of what is done by a later one.
   *
   * @throws Unavailable where it is unknown whether this step was done: what it is part of was not.
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

  /** Waits before the next attempt. @returns False when there is none: it is too late, or the client closes. */
  async #pausedInTime(error: DurableStreamError, failures: number, giveUpAt: number): Promise<boolean> {
    if (!this.signal.aborted && monotonicMs() < giveUpAt) {
      try {
        await this.pause(error, failures, giveUpAt - monotonicMs());
        return monotonicMs() < giveUpAt;
      } catch {
        this.throwIfAbortedByCaller();
        // Whatever else ends the pause, what became of the attempts says more.
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
