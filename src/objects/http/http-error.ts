import { errorNameOf, isRpcError } from "../../../rpc/index.ts";
import type { ErrorName } from "../../../rpc/index.ts";
import { errorResponse } from "../../platform/error-response.ts";

const RETRY_AFTER_S = 1;

/** The status of each error that a request for an object can end with. */
const STATUS: Partial<Record<ErrorName, number>> = {
  InvalidParams: 400,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 412,
  TooLarge: 413,
  RateLimited: 429,
  Unavailable: 503,
  // R2 did not answer: it may have been done.
  OutcomeUnknown: 504,
};

/** The HTTP response to an error, with a JSON-RPC body. A fault of the server is thrown on. */
export function httpError(error: unknown): Response {
  const name = isRpcError(error) ? errorNameOf(error.code) : undefined;
  const status = name === undefined ? undefined : STATUS[name];
  if (!isRpcError(error) || status === undefined) {
    throw error;
  }
  const mayRetry = name === "RateLimited" || name === "Unavailable";
  return errorResponse(status, error, mayRetry ? { "Retry-After": String(RETRY_AFTER_S) } : {});
}
