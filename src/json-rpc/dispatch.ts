import * as v from "valibot";

import { METHODS, RpcError } from "../../rpc/index.ts";
import type { CheckedParams, MethodName, MethodSpec, ParamsIssue } from "../../rpc/index.ts";
import type { CallContext } from "../methods/context.ts";
import { HANDLERS } from "../methods/index.ts";

import { findIllFormed } from "./well-formed.ts";

/**
 * Bounds of an InvalidParams answer: issues, and characters of each. Issues quote the params, which may fill a frame.
 */
const MAX_ISSUES = 16;
const MAX_ISSUE_TEXT = 200;

/**
 * Checks a call's params and runs its handler. Everything up to the handler's first await runs synchronously, so calls
 * of one socket reach their streams in order.
 *
 * @throws RpcError for what a caller can act on; anything else is a fault of the server.
 */
export async function dispatch(method: MethodName, params: unknown, context: CallContext): Promise<unknown> {
  const { needsSocket }: MethodSpec = METHODS[method];
  if (needsSocket === true && context.connection === undefined) {
    throw new RpcError("NeedsSocket", `${method} works on a WebSocket only`);
  }
  const checked = paramsOf(method, params, context.defaultStream);
  // Handlers are typed by the schemas in METHODS; the compiler can not relate a method that is known at run time only.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const handle = HANDLERS[method] as (params: unknown, context: CallContext) => Promise<unknown>;
  return handle(checked, context);
}

/**
 * Checks the params of a call: they match the schema, and all text in them is well-formed Unicode. Handlers do not
 * check them again.
 *
 * @param defaultStream The stream of `/stream/<name>`.
 * @throws InvalidParams.
 */
export function paramsOf<M extends MethodName>(method: M, params: unknown, defaultStream?: string): CheckedParams<M>;
export function paramsOf(method: MethodName, params: unknown, defaultStream?: string): unknown {
  const spec: MethodSpec = METHODS[method];
  // Some libraries send an empty array for params that are left out.
  const named = Array.isArray(params) && params.length === 0 ? undefined : params;
  if (Array.isArray(named)) {
    throw invalidParams(method, [{ path: "", reason: "params are passed by name" }]);
  }
  const parsed = v.safeParse(spec.params, withDefaultStream(spec, named ?? {}, defaultStream));
  if (!parsed.success) {
    throw invalidParams(method, parsed.issues.slice(0, MAX_ISSUES).map(issueOf));
  }
  const illFormed = findIllFormed(parsed.output);
  if (illFormed !== undefined) {
    const path = illFormed.join(".").slice(0, MAX_ISSUE_TEXT);
    throw invalidParams(method, [{ path, reason: "must be well-formed Unicode" }]);
  }
  return parsed.output;
}

/** On `/stream/<name>` that stream is the default of every method that takes one. */
function withDefaultStream(spec: MethodSpec, params: unknown, stream: string | undefined): unknown {
  if (stream === undefined || typeof params !== "object" || params === null || Array.isArray(params)) {
    return params;
  }
  return spec.on === "stream" && !Object.hasOwn(params, "stream") ? { ...params, stream } : params;
}

function invalidParams(method: MethodName, issues: ParamsIssue[]): RpcError {
  return new RpcError("InvalidParams", `the params do not fit ${method}`, { issues });
}

function issueOf(issue: v.BaseIssue<unknown>): ParamsIssue {
  return { path: (v.getDotPath(issue) ?? "").slice(0, MAX_ISSUE_TEXT), reason: issue.message.slice(0, MAX_ISSUE_TEXT) };
}
