import { ErrorCode } from "../../rpc/index.ts";
import type { ErrorName } from "../../rpc/index.ts";
import type { Refused } from "../calls.ts";

/** What a stream returns instead of a result that it refuses. */
export function refuse(name: ErrorName, message: string, data: Record<string, string | number>): Refused {
  return { refused: { code: ErrorCode[name], message, data } };
}

/** Conflict (`revision`) unless the state has the revision that is expected; before the first put it has 0. */
export function refuseRevision(revision = 0, expected = revision): Refused | undefined {
  return expected === revision ? undefined : refuse("Conflict", "the state has another revision", { revision });
}

/** Thrown by what refuses, before anything is changed; it never leaves the stream (see {@link orRefused}). */
export class RefusedError extends Error {
  readonly refused: Refused;

  constructor(name: ErrorName, message: string, data: Record<string, string | number>) {
    super(message);
    this.refused = refuse(name, message, data);
  }
}

/** The result, or the refusal that was thrown instead. */
export function orRefused<T>(act: () => T): T | Refused {
  try {
    return act();
  } catch (error) {
    if (error instanceof RefusedError) {
      return error.refused;
    }
    throw error;
  }
}
