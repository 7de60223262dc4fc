import { isRpcError, RpcError } from "../../rpc/index.ts";

import { logError } from "./log.ts";
import { accepted } from "./refused.ts";
import type { Accepted } from "./refused.ts";
import { requestDeadlineMs } from "./settings.ts";

/** A stream's remote methods. */
export type StreamStub = ReturnType<Env["STREAM"]["getByName"]>;

/** Decides what a failed call means: a read did nothing, a change may or may not have been made. */
export type CallKind = "reads" | "changes";

/** The object of a call that failed. */
type Called = { readonly what?: string; readonly facts?: Readonly<Record<string, string>> };

/** Longest pause after the first failed call, and after many. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Calls a stream by native RPC within the request deadline.
 *
 * @param kind Of a call that `repeats`: a change that does no harm when it is made twice. It is repeated as a read is.
 * @throws The stream's own RpcError; Unavailable when nothing was done, OutcomeUnknown when a change may have been
 * made. What `call` throws synchronously is thrown on unchanged.
 */
export async function callStream<R extends PromiseLike<unknown>>(
  env: Env,
  stream: string,
  kind: CallKind | "repeats",
  call: (stub: StreamStub) => R,
): Promise<Accepted<Awaited<R>>> {
  const first = call(env.STREAM.getByName(stream));
  const again = () => call(env.STREAM.getByName(stream));
  try {
    return accepted(await withDeadline(kind === "changes" ? first : twiceIfLost(first, again)));
  } catch (error) {
    throw asOutcome(error, kind === "reads" ? "reads" : "changes", { facts: { stream } });
  }
}

/**
 * Repeats a call once, on a new stub, because a stub stays broken after an error. An overloaded object is not asked
 * again.
 */
export async function twiceIfLost<R extends PromiseLike<unknown>>(first: R, again: () => R): Promise<Awaited<R>> {
  try {
    return await first;
  } catch (error) {
    if (isRpcError(error) || isOverloaded(error)) {
      throw error;
    }
  }
  return await again();
}

/**
 * The error for a caller whose call to an object failed; see {@link CallKind}. No exception proves that a change was
 * not made: the object may have thrown after it, of a full disk, or the runtime may have failed then.
 *
 * @param called.what What the object is to the caller.
 * @param called.facts Which object it is, for the log.
 */
export function asOutcome(error: unknown, kind: CallKind, called: Called = {}): RpcError {
  if (isRpcError(error)) {
    return error;
  }
  const { what = "the stream", facts = {} } = called;
  const data = isLostCall(error) ? undefined : { requestId: logError("a call to an object failed", error, facts) };
  if (kind === "reads") {
    return new RpcError("Unavailable", `${what} could not be reached; nothing was done`, data);
  }
  return new RpcError("OutcomeUnknown", `${what} did not answer; it may or may not have been done`, data);
}

/** The pause before the next call after `failures` failed calls in a row: random, up to a bound that doubles. */
export function backoffMs(failures: number): number {
  return failures === 0 ? 0 : Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
}

/** Rejects with a DeadlineError when a call takes longer than a request may, or than it is given. */
export async function withDeadline<R extends PromiseLike<unknown>>(
  call: R,
  ms: number = requestDeadlineMs(),
): Promise<Awaited<R>> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new DeadlineError()), ms);
  try {
    return await Promise.race([call, deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}

class DeadlineError extends Error {
  constructor() {
    super("the call took longer than a request may");
  }
}

/**
 * Tells whether a call was lost in transit, which is no fault to log. The runtime marks such errors
 * (developers.cloudflare.com/durable-objects/best-practices/error-handling).
 */
function isLostCall(error: unknown): boolean {
  return error instanceof DeadlineError || has(error, "retryable") || isOverloaded(error) || isReset(error);
}

/**
 * Tells whether the object is overloaded: an immediate retry would make it worse. The call may have been done all the
 * same; an object that was reset because a storage operation took too long is marked like this too.
 */
export function isOverloaded(error: unknown): boolean {
  return has(error, "overloaded");
}

function isReset(error: unknown): boolean {
  return has(error, "durableObjectReset");
}

function has(error: unknown, mark: string): boolean {
  return error instanceof Error && Reflect.get(error, mark) === true;
}
