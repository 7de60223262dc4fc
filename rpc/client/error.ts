import { ErrorCode, errorNameOf } from "../protocol/errors.ts";
import type { ErrorData, ErrorDataOf, ErrorFacts, ErrorName } from "../protocol/errors.ts";

/** The optional parts of an error. */
type Details<Name extends ErrorName> = {
  readonly code?: number;
  readonly data?: ErrorFacts<Name>;
  readonly cause?: unknown;
};

/** An error of one name. */
interface ErrorOf<Name extends ErrorName> extends Error {
  /** The name of `code` in `ErrorCode`; InternalError for a code that is not in it. */
  readonly name: Name;
  /** The code of the JSON-RPC error. */
  readonly code: number;
  /** The facts, whose type depends on `name`; an empty object when there are none. */
  readonly data: ErrorDataOf[Name];
}

/** An error of the client. Comparing its `name` narrows the type of its `data`. */
export type DurableStreamError<Name extends ErrorName = ErrorName> = { [N in Name]: ErrorOf<N> }[Name];

/** The type of the constructor. A class can not be a union, which narrowing by `name` needs, so its type is declared apart. */
type DurableStreamErrorClass = {
  new <Name extends ErrorName>(name: Name, message: string, details?: Details<Name>): DurableStreamError<Name>;
  readonly prototype: DurableStreamError;
};

// oxlint-disable typescript/no-unsafe-type-assertion -- the type says more of the same fields than the class can
/**
 * The error of a call: what the server answered, or what is known of a call that it did not answer. `name` says which error
 * it is, and what `data` holds. `Unavailable`, `Busy` and every refusal say that nothing was done, `OutcomeUnknown` that it may
 * have been.
 *
 * @example
 * ```ts
 * try {
 *   await client.putState({ stream, state, expectedRevision: revision });
 * } catch (error) {
 *   if (error instanceof DurableStreamError && error.name === "Conflict") {
 *     ({ revision } = error.data);
 *   }
 * }
 * ```
 */
export const DurableStreamError = class extends Error {
  override readonly name: ErrorName;
  readonly code: number;
  readonly data: ErrorData;

  constructor(name: ErrorName, message: string, { code, data, cause }: Details<ErrorName> = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.name = name;
    this.code = code ?? ErrorCode[name];
    this.data = data ?? {};
  }
} as DurableStreamErrorClass;
// oxlint-enable typescript/no-unsafe-type-assertion

/** Why nothing was answered: for want of a connection, also why there is none. */
export function unanswered(what: string, offline: DurableStreamError | undefined): string {
  return offline === undefined ? what : `${what}, without a connection (${offline.message})`;
}

/** Parses the `error` of a response; undefined when it is not an error of JSON-RPC 2.0 (section 5.1). */
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

/** Whether a value may be the `data` of an error. */
export function isErrorData(data: unknown): data is ErrorData {
  return typeof data === "object" && data !== null && !Array.isArray(data);
}
