import { errorNameOf, isRpcError, RpcError } from "../../rpc/index.ts";

import type { Refused } from "../internal/calls.ts";
import { logError } from "./log.ts";
import { requestDeadlineMs } from "./settings.ts";

/** A stream's remote methods. */
export type StreamStub = ReturnType<Env["STREAM"]["getByName"]>;

/** The results of a call that are not a refusal. */
type Accepted<T> = T extends Refused ? never : T;

/** What to say when a call failed: of a read nothing was done, of a change nobody knows. */
export type CallKind = "reads" | "changes";

/** Bounds of the pause after the first call that failed, and after many. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Calls a stream by native RPC within the request deadline.
 *
 * @throws The stream's own RpcError; Unavailable when nothing was done, OutcomeUnknown when a change may have been. What
 *   `call` throws before it has made the call stays what it is.
 */
export async function callStream<R extends PromiseLike<unknown>>(
  env: Env,
  stream: string,
  kind: CallKind,
  call: (stub: StreamStub) => R,
): Promise<Accepted<Awaited<R>>> {
  const first = call(env.STREAM.getByName(stream));
  const again = () => call(env.STREAM.getByName(stream));
  try {
    return accepted(await withDeadline(kind === "reads" ? twiceIfLost(first, again) : first));
  } catch (error) {
    throw asOutcome(error, kind);
  }
}

/** A read may be repeated, on a new stub: after an error a stub stays broken. Not at once where there is too much to do. */
async function twiceIfLost<R extends PromiseLike<unknown>>(first: R, again: () => R): Promise<Awaited<R>> {
  try {
    return await first;
  } catch (error) {
    if (isRpcError(error) || isOverloaded(error)) {
      throw error;
    }
  }
  return await again();
}

/** The result of a call, unless the stream refused it. */
export function accepted<T>(result: T): Accepted<T> {
  if (isRefused(result)) {
    throw refusalError(result.refused);
  }
  // What is left of the union once refusals are gone; the compiler does not narrow a type parameter by it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return result as Accepted<T>;
}

/** A refusal as an error that can be thrown. */
export function refusalError({ code, message, data }: Refused["refused"]): RpcError {
  return new RpcError(errorNameOf(code) ?? "InternalError", message, data);
}

function isRefused(result: unknown): result is Refused {
  return typeof result === "object" && result !== null && "refused" in result;
}

/**
 * What to tell a caller whose call to an object failed: see {@link CallKind}. Whatever the exception says, the object may
 * have done its work before it: a full disk, a fault of the runtime ("internal error; reference = …"), a method that the
 * version of a deploy half done does not have.
 */
export function asOutcome(error: unknown, kind: CallKind): RpcError {
  if (isRpcError(error)) {
    return error;
  }
  const data = isLostCall(error) ? undefined : logFault(error);
  if (kind === "reads") {
    return new RpcError("Unavailable", "the stream could not be reached; nothing was done", data);
  }
  return new RpcError("OutcomeUnknown", "the stream did not answer; it may or may not have been done", data);
}

/** Logs a fault that somebody should look at, and tells the id to find it by. */
function logFault(error: unknown): { requestId: string } {
  const requestId = crypto.randomUUID();
  logError("a call to an object failed", error, { requestId });
  return { requestId };
}

/** How long to leave an object alone after so many calls in a row that failed: at random up to a bound that doubles. */
export function backoffMs(failures: number): number {
  return failures === 0 ? 0 : Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
}

/** Rejects with a DeadlineError when a call takes longer than a request may. */
export async function withDeadline<R extends PromiseLike<unknown>>(call: R): Promise<Awaited<R>> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new DeadlineError()), requestDeadlineMs());
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
 * Tells whether a call was lost on its way, rather than failed by a fault that somebody should look at: the runtime
 * marks such errors (developers.cloudflare.com/durable-objects/best-practices/error-handling).
 */
function isLostCall(error: unknown): boolean {
  return error instanceof DeadlineError || has(error, "retryable") || isOverloaded(error) || isReset(error);
}

/**
 * The object has too much to do: to ask again at once makes it worse. It may have done what was asked for all the same:
 * one that was reset because it stored something for too long says so too.
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
