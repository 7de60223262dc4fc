import { ErrorCode, errorNameOf } from "../errors.ts";
import type { ErrorData, ErrorName } from "../errors.ts";

/**
 * Every error of the client: what the server answered, or what became of a call that it did not answer. `Unavailable`,
 * `Busy` and every refusal say that nothing was done, `OutcomeUnknown` that it may have been.
 */
export class DurableStreamError extends Error {
  /** The name of `code` in the contract's table; InternalError for a code that is not in it. */
  override readonly name: ErrorName;
  readonly code: number;
  readonly data?: ErrorData;

  constructor(name: ErrorName, message: string, details: { code?: number; data?: ErrorData; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = name;
    this.code = details.code ?? ErrorCode[name];
    if (details.data !== undefined) {
      this.data = details.data;
    }
  }
}

/** The error that a response carries; undefined for what is not an error of JSON-RPC 2.0 (section 5.1). */
export function errorOfResponse(error: unknown): DurableStreamError | undefined {
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error)) {
    return undefined;
  }
  const { code, message } = error;
  if (typeof code !== "number" || typeof message !== "string") {
    return undefined;
  }
  const data = "data" in error && isErrorData(error.data) ? { data: error.data } : {};
  return new DurableStreamError(errorNameOf(code) ?? "InternalError", message, { code, ...data });
}

function isErrorData(data: unknown): data is ErrorData {
  return typeof data === "object" && data !== null && !Array.isArray(data);
}
