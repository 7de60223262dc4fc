import { deferred } from "./deferred.ts";
import { DurableStreamError } from "./error.ts";
import type { CallOptions } from "./open-call.ts";
import { isPassing, pauseMs } from "./retry.ts";
import { startTimer, stopTimer } from "./timer.ts";

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
  isClosed(): boolean;
};

/**
 * One work on an object as a whole: the calls, requests, reads and pauses it is made of share one signal and, if a
 * `timeoutMs` was given, one deadline. Without one each step has the time of a call, and the whole takes what it takes.
 */
export class Operation {
  readonly #host: OperationHost;
  readonly #given: AbortSignal | undefined;
  readonly #deadlineAt: number;
  readonly #controller = new AbortController();
  /** Of an attempt that may have done it, as long as none is known to have. */
  #unknown: DurableStreamError | undefined;
  readonly #abort = () => this.#controller.abort(this.#given?.reason);

  constructor({ signal, timeoutMs = Number.POSITIVE_INFINITY }: CallOptions, host: OperationHost) {
    this.#host = host;
    this.#given = signal;
    this.#deadlineAt = Date.now() + timeoutMs;
    if (signal?.aborted === true) {
      this.#abort();
    }
    signal?.addEventListener("abort", this.#abort);
  }

  /** Aborts with the caller's signal and by `stop`. */
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

  /** Whether the deadline has passed. */
  get isLate(): boolean {
    return Date.now() >= this.#deadlineAt;
  }

  /** It is over: the caller's signal is not listened to any more. */
  end(): void {
    this.#given?.removeEventListener("abort", this.#abort);
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
   * Waits before the next attempt after so many failures, no longer than `mostMs` or there is time.
   *
   * @throws The signal's reason.
   */
  async pause(error: DurableStreamError, failures: number, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    const { signal } = this;
    signal.throwIfAborted();
    const over = deferred<void>();
    const ms = Math.min(pauseMs(error, failures), mostMs, this.#deadlineAt - Date.now());
    const timer = startTimer(ms, () => over.resolve());
    const abort = () => over.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      await over.promise;
    } finally {
      stopTimer(timer);
      signal.removeEventListener("abort", abort);
    }
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
    const giveUpAt = Math.min(this.#deadlineAt, Date.now() + this.sendingMs(bytes));
    const isLate = () => this.#host.isClosed() || Date.now() >= giveUpAt;
    this.#leftMs();
    for (let failures = 1; ; failures += 1) {
      this.signal.throwIfAborted();
      try {
        return await attempt({ signal: this.signal, timeoutMs: giveUpAt - Date.now() });
      } catch (error) {
        if (!(error instanceof DurableStreamError)) {
          throw error;
        }
        failed?.(error);
        if (isPassing(error) && isOver?.(error) !== true && !isLate()) {
          await this.pause(error, failures, giveUpAt - Date.now());
          if (!isLate()) {
            continue;
          }
        }
        throw this.#unknown === undefined || this.#unknown === error ? error : stillUnknown(this.#unknown, error);
      }
    }
  }

  #leftMs(): number {
    const leftMs = this.#deadlineAt - Date.now();
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
