import { deferred } from "../deferred.ts";
import { DurableStreamError, unanswered } from "../error.ts";

/** The options of one call. */
export type CallOptions = {
  /**
   * Aborts the call: it rejects with the signal's reason, and is not sent if it was not sent yet. A call that was sent may
   * still be done.
   */
  signal?: AbortSignal;
  /**
   * How long the call may take in all, in milliseconds, waiting for a connection included. After that it rejects with
   * Unavailable (it was not done) or OutcomeUnknown (it may have been done).
   *
   * @defaultValue `timeoutMs` of the client, 30,000; of a publish `publishTimeoutMs`, 60,000
   */
  timeoutMs?: number;
};

/** A call that only `reads` is safe to repeat, so its outcome is never unknown. */
export type CallKind = "reads" | "changes";

/** What a pending call needs of its owner. */
export type PendingCallHost = {
  settled(call: PendingCall): void;
  /** Why no socket is open; undefined when one is, or when no attempt has failed yet. */
  whyOffline(): DurableStreamError | undefined;
};

/** One call until its promise is settled, over any number of sockets. It tracks whether the call may have been done. */
export class PendingCall {
  readonly method: string;
  /** Bytes of UTF-8 of `params`. */
  readonly size: number;
  readonly kind: CallKind;
  readonly deadlineAt: number;
  readonly #outcome = deferred<object>();
  readonly #host: PendingCallHost;
  #params: string;
  #isInFlight = false;
  #mayBeDone = false;
  #isSettled = false;
  #lastError: DurableStreamError | undefined;

  /** Stops listening to the caller's signal, if there is one. */
  readonly #unlisten: (() => void) | undefined;

  constructor(
    request: { method: string; params: string; size: number; kind: CallKind },
    { deadlineAt, signal }: { deadlineAt: number; signal: AbortSignal | undefined },
    host: PendingCallHost,
  ) {
    this.method = request.method;
    this.#params = request.params;
    this.size = request.size;
    this.kind = request.kind;
    this.deadlineAt = deadlineAt;
    this.#host = host;
    if (signal !== undefined) {
      const abort = () => this.reject(signal.reason);
      signal.addEventListener("abort", abort);
      this.#unlisten = () => signal.removeEventListener("abort", abort);
    }
  }

  get promise(): Promise<object> {
    return this.#outcome.promise;
  }

  /**
   * JSON text, made at the time of the call: later changes to the caller's objects have no effect. Empty once the call is
   * settled, so that a queue that still has it holds no text.
   */
  get params(): string {
    return this.#params;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** It was sent: its outcome is unknown until it is answered. */
  sent(): void {
    this.#isInFlight = true;
  }

  /** Its socket is gone. @param mayBeDone False when the server read nothing on that socket. */
  lost(mayBeDone: boolean): void {
    this.#isInFlight = false;
    this.#mayBeDone ||= mayBeDone && this.kind === "changes";
  }

  /**
   * Refused for good. When the outcome of an earlier attempt is unknown, it rejects with OutcomeUnknown, and the refusal is
   * its cause.
   */
  refuse(error: DurableStreamError): void {
    if (this.#mayBeDone) {
      this.#lastError = error;
      this.giveUp(`it was refused when it was tried again (${error.name})`);
    } else {
      this.reject(error);
    }
  }

  /** This attempt was answered with a retryable error. */
  refused(error: DurableStreamError): void {
    this.#isInFlight = false;
    this.#mayBeDone ||= error.name === "OutcomeUnknown";
    this.#lastError = error;
  }

  resolve(result: object): void {
    if (this.#settle()) {
      this.#outcome.resolve(result);
    }
  }

  reject(reason: unknown): void {
    if (this.#settle()) {
      this.#outcome.reject(reason);
    }
  }

  /** Rejects with what is known of the outcome. */
  giveUp(what: string): void {
    const offline = this.#host.whyOffline();
    const isUnknown = this.#mayBeDone || (this.#isInFlight && this.kind === "changes");
    const outcome = isUnknown ? "may or may not have been done" : "was not done";
    const message = `${unanswered(what, offline)}; ${this.method} ${outcome}`;
    const cause = offline ?? this.#lastError;
    this.reject(new DurableStreamError(isUnknown ? "OutcomeUnknown" : "Unavailable", message, { cause }));
  }

  #settle(): boolean {
    if (this.#isSettled) {
      return false;
    }
    this.#isSettled = true;
    this.#params = "";
    this.#unlisten?.();
    this.#host.settled(this);
    return true;
  }
}
