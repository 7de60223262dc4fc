import { errorNameOf, isRpcError } from "../../../rpc/index.ts";
import type { ErrorName } from "../../../rpc/index.ts";
import { errorResponse } from "../../platform/error-response.ts";

const RETRY_AFTER_S = 1;

/** The status of each error that a request for an object can end with. */
const STATUS: Partial<Record<ErrorName, number>> = {
  InvalidParams: 400,
  NotFound: 404,
  Conflict: 412,
  TooLarge: 413,
  RateLimited: 429,
  Unavailable: 503,
  // Whether it was done only R2 knows, which did not say.
  OutcomeUnknown: 504,
};

/** An error as an HTTP response, its body as JSON-RPC would say it. A fault of the server is thrown on. */
export function httpError(error: unknown): Response {
  const name = isRpcError(error) ? errorNameOf(error.code) : undefined;
  const status = name === undefined ? undefined : STATUS[name];
  if (!isRpcError(error) || status === undefined) {
    throw error;
  }
  const mayRetry = name === "RateLimited" || name === "Unavailable";
  return errorResponse(status, error, mayRetry ? { "Retry-After": String(RETRY_AFTER_S) } : {});
}
