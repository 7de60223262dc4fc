import { deferred } from "./deferred.ts";
import { DurableStreamError } from "../error.ts";

/** What may be said of one call beside its params. */
export type CallOptions = {
  /**
   * Gives the call up: it rejects with the signal's reason, and is not sent if it was not yet. What was sent may be done
   * all the same.
   */
  signal?: AbortSignal;
  /**
   * How long the call may take in all, in milliseconds, waiting for a connection included. Then it rejects with
   * Unavailable (it was not done) or OutcomeUnknown (it may have been).
   *
   * @defaultValue `timeoutMs` of the client, 30,000; of a publish `publishTimeoutMs`, 60,000
   */
  timeoutMs?: number;
};

/** `reads` may be repeated without harm, so a lost one is never unknown. */
export type CallKind = "reads" | "changes";

/** Who keeps a call. */
export type PendingCallHost = {
  settled(call: PendingCall): void;
  /** Why there is no connection; undefined when there is one, or none was lost yet. */
  whyOffline(): DurableStreamError | undefined;
};

/** One call on its way: how it will end for its caller, whatever number of sockets that takes. */
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

  constructor(
    request: { method: string; params: string; size: number; kind: CallKind },
    deadlineAt: number,
    host: PendingCallHost,
  ) {
    this.method = request.method;
    this.#params = request.params;
    this.size = request.size;
    this.kind = request.kind;
    this.deadlineAt = deadlineAt;
    this.#host = host;
  }

  get promise(): Promise<object> {
    return this.#outcome.promise;
  }

  /**
   * JSON text, made when the caller called: what the caller does to its objects later changes nothing. Empty once the
   * call is settled, so that who still has it in a queue holds no text.
   */
  get params(): string {
    return this.#params;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** It is on a socket: until an answer says so, nobody knows what became of it. */
  sent(): void {
    this.#isInFlight = true;
  }

  /** Its socket is gone; `mayBeDone` is false when nothing that was sent on it was read. */
  lost(mayBeDone: boolean): void {
    this.#isInFlight = false;
    this.#mayBeDone ||= mayBeDone && this.kind === "changes";
  }

  /**
   * Refused for good. That says nothing of an earlier attempt whose outcome is unknown: then the caller has to know
   * that, and why it was refused now is the cause.
   */
  refuse(error: DurableStreamError): void {
    if (this.#mayBeDone) {
      this.#lastError = error;
      this.giveUp(`it was refused when it was tried again (${error.name})`);
    } else {
      this.reject(error);
    }
  }

  /** This attempt was answered with an error after which another may follow. */
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
    const why = offline === undefined ? what : `${what}, without a connection (${offline.message})`;
    const error = offline ?? this.#lastError;
    const cause = error === undefined ? {} : { cause: error };
    const isUnknown = this.#mayBeDone || (this.#isInFlight && this.kind === "changes");
    this.reject(
      isUnknown
        ? new DurableStreamError("OutcomeUnknown", `${why}; ${this.method} may or may not have been done`, cause)
        : new DurableStreamError("Unavailable", `${why}; ${this.method} was not done`, cause),
    );
  }

  #settle(): boolean {
    if (this.#isSettled) {
      return false;
    }
    this.#isSettled = true;
    this.#params = "";
    this.#host.settled(this);
    return true;
  }
}
