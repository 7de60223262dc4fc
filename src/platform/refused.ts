import { errorNameOf, isRpcError, RpcError } from "../../rpc/index.ts";
import type { ErrorCode, ErrorData } from "../../rpc/index.ts";

import type { ErrorObject } from "./error-response.ts";

/**
 * What a Durable Object returns instead of a result when it refuses a call. It is returned, not thrown: an exception
 * that crosses an RPC boundary counts as a failure of the object.
 */
export type Refused = { refused: { code: ErrorCode; message: string; data: ErrorData } };

/** The results of a call that are not a refusal. */
export type Accepted<T> = T extends Refused ? never : T;

/** Runs the work of a remote method and returns the RpcError that it throws as a refusal. */
export async function refusable<T>(work: () => Promise<T>): Promise<T | Refused> {
  try {
    return await work();
  } catch (error) {
    if (!isRpcError(error)) {
      throw error;
    }
    return { refused: { code: error.code, message: error.message, data: error.data ?? {} } };
  }
}

/** The result of a remote call. @throws RpcError when the object refused it. */
export function accepted<T>(result: T): Accepted<T> {
  if (isRefused(result)) {
    throw refusalError(result.refused);
  }
  // What is left of the union once refusals are gone; the compiler does not narrow a type parameter by it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return result as Accepted<T>;
}

/** A refusal, or any error that came as plain values, as an error that can be thrown. */
export function refusalError({ code, message, data }: ErrorObject): RpcError {
  return new RpcError(errorNameOf(code) ?? "InternalError", message, data);
}

function isRefused(result: unknown): result is Refused {
  return typeof result === "object" && result !== null && "refused" in result;
}
