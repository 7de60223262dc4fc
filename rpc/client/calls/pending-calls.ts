import { FRAME_ALTERNATIVE } from "../../protocol/alternatives.ts";
import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";

import { deferred } from "../deferred.ts";
import { DurableStreamError } from "../error.ts";
import { must } from "../option.ts";
import { PendingCall } from "./pending-call.ts";
import type { CallKind, PendingCallHost } from "./pending-call.ts";
import { monotonicMs, startTimer, stopTimer, waitAtMost } from "../time.ts";
import type { Timer } from "../time.ts";

/** At most so many bytes of a frame are not the params: the envelope, and the producer of a publish, its name escaped. */
const ENVELOPE_BYTES = 1_024;

const UTF8 = new TextEncoder();
const BEYOND_ASCII = /[\u0080-\uffff]/;

/** What takes more than one call, like the put of an object or the read of a body. */
export type Task = {
  /** Fails it now, unless it needs nothing more of the client. */
  giveUp(reason: DurableStreamError): void;
};

/** A call to be added. `isPart`: it is part of a task. */
type NewCall = {
  readonly method: string;
  readonly params: unknown;
  readonly kind: CallKind;
  readonly isPart: boolean;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
};

/**
 * Every call that is not settled, and the tasks that calls are part of. Calls are bounded in number and bytes, and each is
 * settled by its deadline.
 */
export class PendingCalls implements PendingCallHost {
  readonly #bounds: { readonly calls: number; readonly bytes: number };
  readonly whyOffline: PendingCallHost["whyOffline"];
  readonly #open = new Set<PendingCall>();
  readonly #tasks = new Set<Task>();
  #bytes = 0;
  #sweepTimer: Timer | undefined;
  #sweepAt = Number.POSITIVE_INFINITY;
  #whenEmpty: (() => void) | undefined;
  /** Set while the client closes: no new call or task is taken, except calls of tasks. */
  #endingBy: DurableStreamError | undefined;
  /** Set when the client is closed: no call is taken. */
  #closedBy: DurableStreamError | undefined;

  constructor(bounds: { calls: number; bytes: number }, whyOffline: PendingCallHost["whyOffline"]) {
    this.#bounds = bounds;
    this.whyOffline = whyOffline;
  }

  /**
   * Adds a call.
   *
   * @throws TypeError When `timeoutMs` is not a number.
   * @throws DurableStreamError InvalidParams for params that JSON has no text for; TooLarge when they do not fit a frame;
   * Busy beyond the bounds; once closed, the error it was closed with.
   */
  add({ method, params, kind, isPart, signal, timeoutMs }: NewCall): PendingCall {
    must(typeof timeoutMs === "number" && !Number.isNaN(timeoutMs), "timeoutMs", "a number");
    signal?.throwIfAborted();
    const closedBy = isPart ? this.#closedBy : this.#endingBy;
    if (closedBy !== undefined) {
      throw closedBy;
    }
    const text = toJson(params);
    const size = bytesOf(text);
    this.#admit(size);
    const request = { method, params: text, size, kind };
    const call = new PendingCall(request, { deadlineAt: monotonicMs() + timeoutMs, signal }, this);
    this.#open.add(call);
    this.#bytes += size;
    this.#sweepBy(call.deadlineAt);
    return call;
  }

  /** Adds a task. Once the client closes, it is given up at once. */
  begin(task: Task): void {
    if (this.#endingBy === undefined) {
      this.#tasks.add(task);
    } else {
      task.giveUp(this.#endingBy);
    }
  }

  /** The task has ended, or needs nothing more of the client. */
  finish(task: Task): void {
    this.#tasks.delete(task);
    this.#tellEmpty();
  }

  /** Why no new call is taken; undefined while the client is open. */
  get endingBy(): DurableStreamError | undefined {
    return this.#endingBy;
  }

  /** Takes nothing new, waits at most `patienceMs` until calls and tasks are done, and gives up the rest. */
  async drain(reason: DurableStreamError, patienceMs: number): Promise<void> {
    this.#endingBy ??= reason;
    if (this.#open.size > 0 || this.#tasks.size > 0) {
      const empty = deferred<void>();
      this.#whenEmpty = empty.resolve;
      await waitAtMost(patienceMs, empty.promise);
    }
    this.#closedBy ??= reason;
    for (const call of this.#open) {
      call.giveUp(reason.message);
    }
    this.#giveUpTasks(reason);
  }

  /** Rejects every call with this error, or with OutcomeUnknown where an earlier attempt may have been done. */
  refuse(error: DurableStreamError): void {
    for (const call of this.#open) {
      call.refuse(error);
    }
  }

  /** Rejects every call as {@link refuse} does, gives up the tasks, and takes nothing more. */
  fail(error: DurableStreamError): void {
    this.#endingBy = error;
    this.#closedBy = error;
    this.refuse(error);
    this.#giveUpTasks(error);
  }

  /** After the calls, so that a task knows the outcome of its last call. */
  #giveUpTasks(reason: DurableStreamError): void {
    for (const task of this.#tasks) {
      task.giveUp(reason);
    }
  }

  #admit(size: number): void {
    if (size + ENVELOPE_BYTES > CLIENT_LIMITS.frameBytes) {
      // The server would close the socket for such a frame, and every other call on it would be lost.
      const data = { what: "frameBytes", limit: CLIENT_LIMITS.frameBytes, use: FRAME_ALTERNATIVE };
      throw new DurableStreamError("TooLarge", "the params do not fit a frame", { data });
    }
    const { calls, bytes } = this.#bounds;
    if (this.#open.size >= calls) {
      throw new DurableStreamError("Busy", "too many calls are waiting", { data: { what: "calls", limit: calls } });
    }
    if (this.#bytes + size > bytes && this.#open.size > 0) {
      throw new DurableStreamError("Busy", "too much is waiting", { data: { what: "bytes", limit: bytes } });
    }
  }

  /** A call is settled. */
  settled(call: PendingCall): void {
    this.#open.delete(call);
    this.#bytes -= call.size;
    if (this.#open.size === 0) {
      stopTimer(this.#sweepTimer);
      this.#sweepAt = Number.POSITIVE_INFINITY;
      this.#tellEmpty();
    }
  }

  #tellEmpty(): void {
    if (this.#open.size === 0 && this.#tasks.size === 0) {
      this.#whenEmpty?.();
    }
  }

  /** One timer for all calls, set to the earliest deadline. */
  #sweepBy(deadlineAt: number): void {
    if (deadlineAt < this.#sweepAt) {
      stopTimer(this.#sweepTimer);
      this.#sweepAt = deadlineAt;
      this.#sweepTimer = startTimer(deadlineAt - monotonicMs(), () => this.#sweep());
    }
  }

  #sweep(): void {
    this.#sweepAt = Number.POSITIVE_INFINITY;
    const nowMs = monotonicMs();
    let earliest = Number.POSITIVE_INFINITY;
    for (const call of this.#open) {
      if (call.deadlineAt <= nowMs) {
        call.giveUp("it took too long");
      } else {
        earliest = Math.min(earliest, call.deadlineAt);
      }
    }
    if (earliest !== Number.POSITIVE_INFINITY) {
      this.#sweepBy(earliest);
    }
  }
}

/** Bytes of UTF-8. */
function bytesOf(text: string): number {
  return BEYOND_ASCII.test(text) ? UTF8.encode(text).byteLength : text.length;
}

function toJson(params: unknown): string {
  try {
    return JSON.stringify(params);
  } catch (cause) {
    throw new DurableStreamError("InvalidParams", "the params can not be written as JSON", {
      data: { issues: [{ path: "", reason: String(cause) }] },
      cause,
    });
  }
}
