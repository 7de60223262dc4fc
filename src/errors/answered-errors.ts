import { ErrorCode, isRpcError, METHOD_TRAITS, RpcError } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";
import { callersName } from "../access/prefix.ts";
import type { ErrorObject } from "../platform/error-response.ts";

import { nearestName } from "./nearest.ts";
import type { Fault } from "./params-faults.ts";
import { excerpt, quoted } from "./quoted.ts";

/** Most characters of an issue's path and of its reason: they quote the params, which may fill a frame. */
const MAX_ISSUE_TEXT = 200;

/** The error for params that do not fit a method. Its message says the first fault. */
export function invalidParams(method: MethodName, faults: readonly Pick<Fault, "path" | "reason">[]): RpcError {
  const [{ path, reason } = { path: [], reason: "do not fit" }] = faults;
  const issues = faults.map((fault) => ({
    path: fault.path.join(".").slice(0, MAX_ISSUE_TEXT),
    reason: fault.reason.slice(0, MAX_ISSUE_TEXT),
  }));
  const where = path.length === 0 ? "params" : `params.${excerpt(path.join("."))}`;
  return new RpcError("InvalidParams", `${method}: ${where} ${reason}`, { issues });
}

/** The error for a method that the contract does not have. It is no `Error`: that notes where it was made, which takes longer than all else. */
export function unknownMethod(method: string): ErrorObject {
  const near = nearestName(method, Object.keys(METHOD_TRAITS));
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  return { code: ErrorCode.MethodNotFound, message: `there is no method ${quoted(method)}${hint}` };
}

/** What a call may name that there is not, with the caller's prefix before it. */
type Names = { readonly stream?: string; readonly consumer?: string; readonly key?: string };

/**
 * The error of a handler, which says which of what the call names is not there. Who may not ask for it does not get so far:
 * that is Forbidden, whether or not it is there.
 *
 * @param prefix The caller's, if it has one: the names are told without it.
 */
export function naming(error: unknown, { stream, consumer, key }: Names, prefix: string | undefined): unknown {
  if (!isRpcError(error) || error.code !== ErrorCode.NotFound) {
    return error;
  }
  const ofStream = stream === undefined ? undefined : quoted(callersName(prefix, stream));
  const names = new Map<unknown, string | undefined>([
    ["stream", ofStream],
    ["consumer", consumer === undefined ? undefined : `${quoted(consumer)} of the stream ${ofStream}`],
    ["object", key === undefined ? undefined : quoted(callersName(prefix, key))],
  ]);
  const name = names.get(error.data?.["what"]);
  return name === undefined ? error : new RpcError("NotFound", `${error.message}: ${name}`, error.data);
}
