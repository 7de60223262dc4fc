import { errorNameOf, isRpcError, LIMITS, RpcError } from "../rpc/index.ts";

import type { Refused } from "./calls.ts";

/** A stream's remote methods. */
export type StreamStub = ReturnType<Env["STREAM"]["getByName"]>;

/** The results of a call that are not a refusal. */
type Accepted<T> = T extends Refused ? never : T;

/** What to say when a call did not come back: of a read nothing was done, of a change nobody knows. */
export type CallKind = "reads" | "changes";

/**
 * Calls a stream by native RPC within the request deadline.
 *
 * @throws The stream's own RpcError; Unavailable when nothing was done, OutcomeUnknown when a change may have been.
 */
export async function callStream<R extends PromiseLike<unknown>>(
  env: Env,
  stream: string,
  kind: CallKind,
  call: (stub: StreamStub) => R,
): Promise<Accepted<Awaited<R>>> {
  try {
    return accepted(await withDeadline(callOnceOrTwice(env, stream, kind, call)));
  } catch (error) {
    throw asOutcome(error, kind);
  }
}

async function callOnceOrTwice<R extends PromiseLike<unknown>>(
  env: Env,
  stream: string,
  kind: CallKind,
  call: (stub: StreamStub) => R,
): Promise<Awaited<R>> {
  try {
    return await call(env.STREAM.getByName(stream));
  } catch (error) {
    if (kind === "changes" || !isLostCall(error)) {
      throw error;
    }
  }
  // A read may be repeated, on a new stub: after an error a stub stays broken.
  return await call(env.STREAM.getByName(stream));
}

/** The result of a call, unless the stream refused it. */
export function accepted<T>(result: T): Accepted<T> {
  if (isRefused(result)) {
    const { code, message, data } = result.refused;
    throw new RpcError(errorNameOf(code) ?? "InternalError", message, data);
  }
  // What is left of the union once refusals are gone; the compiler does not narrow a type parameter by it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return result as Accepted<T>;
}

function isRefused(result: unknown): result is Refused {
  return typeof result === "object" && result !== null && "refused" in result;
}

/** What to tell a caller whose call to an object failed: see {@link CallKind}. Other faults stay what they are. */
export function asOutcome(error: unknown, kind: CallKind): unknown {
  if (isRpcError(error) || !isLostCall(error)) {
    return error;
  }
  // An overloaded object refuses before it runs anything.
  if (kind === "reads" || "overloaded" in error) {
    return new RpcError("Unavailable", "the stream could not be reached; nothing was done");
  }
  return new RpcError("OutcomeUnknown", "the stream did not answer; it may or may not have been done");
}

/** Rejects with a DeadlineError when a call takes longer than a request may. */
export async function withDeadline<R extends PromiseLike<unknown>>(call: R): Promise<Awaited<R>> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new DeadlineError()), LIMITS.requestDeadlineMs);
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
 * Tells whether a call was lost on its way, rather than refused or failed by the object's own code: the runtime marks
 * such errors (developers.cloudflare.com/durable-objects/best-practices/error-handling).
 */
function isLostCall(error: unknown): error is Error {
  return (
    error instanceof DeadlineError ||
    (error instanceof Error && ("retryable" in error || "overloaded" in error || "durableObjectReset" in error))
  );
}
