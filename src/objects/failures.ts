import { isRpcError, LIMITS, RpcError } from "../../rpc/index.ts";
import { withDeadline } from "../platform/call-object.ts";
import type { CallKind } from "../platform/call-object.ts";
import { logError, logWarning } from "../platform/log.ts";

import { invalid } from "./bytes.ts";

/** When to write a key again that was written too often: R2 takes about one write a second for each key. */
const WRITE_RATE_MS = 1_000;

/** Logs why a call has failed. */
type Log = (error: unknown) => void;

/**
 * The errors by which R2 refuses a call before it does anything, by R2's error code. A Worker finds it at the end of
 * the message only (developers.cloudflare.com/r2/api/error-codes).
 */
const REFUSALS: Readonly<Record<number, () => RpcError>> = {
  10_012: () => tooLarge("objectMetadataBytes", "the metadata is too large"),
  10_020: () => invalid("key", "is none that R2 takes"),
  10_022: () => invalid("limit", "is none that R2 takes"),
  10_029: () => new RpcError("InvalidParams", "R2 does not take this request", { issues: [] }),
  10_031: () => new RpcError("Conflict", "the object is not as expected"),
  10_037: () => invalid("sha256", "is not the SHA-256 of the body"),
  10_058: tooManyWrites,
  100_100: () => tooLarge("objectBytes", "the object is too large"),
};

/**
 * Calls R2 within the request deadline.
 *
 * @throws RpcError for a call that R2 refused, and for one that failed: Unavailable for a read, OutcomeUnknown for a
 * change, which R2 may have made all the same.
 */
export async function callBucket<T>(kind: CallKind, call: () => Promise<T>): Promise<T> {
  return withFailures(kind, () => withDeadline(call()));
}

/**
 * Puts a stream: as {@link callBucket} for a change, but it takes as long as the stream does.
 *
 * @param isClients A client that goes before its body has come whole is no fault of the server, and does not look otherwise.
 */
export async function streamToBucket<T>(put: () => Promise<T>, isClients: boolean): Promise<T> {
  return withFailures("changes", put, isClients ? warnOfBody : undefined);
}

function warnOfBody(error: unknown): void {
  logWarning("a body did not reach R2", { error: String(error) });
}

async function withFailures<T>(kind: CallKind, call: () => Promise<T>, log?: Log): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw bucketFailure(error, kind, log);
  }
}

/**
 * What to tell a caller whose call of R2 threw. A TypeError is a fault of this server and stays one: nothing was sent.
 */
export function bucketFailure(
  error: unknown,
  kind: CallKind,
  log: Log = () => logError("a call of R2 failed", error, { kind }),
): unknown {
  if (error instanceof TypeError || isRpcError(error)) {
    return error;
  }
  const refusal = refusalOf(error);
  if (refusal !== undefined) {
    return refusal();
  }
  log(error);
  return kind === "reads"
    ? new RpcError("Unavailable", "the objects could not be reached; nothing was done")
    : new RpcError("OutcomeUnknown", "the objects could not be reached; it may or may not have been done");
}

/** The error for a key that is written too often. */
export function tooManyWrites(): RpcError {
  return new RpcError("RateLimited", "too many writes of this key", { retryAfterMs: WRITE_RATE_MS });
}

/**
 * The reason for which R2 refused a call; the same call would be refused again.
 *
 * @param error Anything: a body that fails makes its put fail with what the stream was aborted with.
 */
export function refusalOf(error: unknown): (() => RpcError) | undefined {
  return error instanceof Error ? REFUSALS[Number(/\((\d+)\)$/.exec(error.message)?.[1])] : undefined;
}

function tooLarge(what: "objectBytes" | "objectMetadataBytes", message: string): RpcError {
  return new RpcError("TooLarge", message, { what, limit: LIMITS[what] });
}
