import * as v from "valibot";

import { METHODS, RpcError } from "../../rpc/index.ts";
import type { CheckedParams, MethodName, MethodSpec, ParamsIssue } from "../../rpc/index.ts";
import type { CallContext } from "../methods/context.ts";
import { HANDLERS } from "../methods/index.ts";

import { findIllFormed } from "./well-formed.ts";

/** Faults of params an answer tells, and characters of each: they quote what the client sent, which may be a whole frame. */
const MAX_ISSUES = 16;
const MAX_ISSUE_TEXT = 200;

/**
 * Checks a call's params and runs its handler; everything up to the handler's first await runs at once, so that calls
 * of one socket reach their streams in the order they came.
 *
 * @throws RpcError what a caller can act on; anything else is a fault of the server.
 */
export async function dispatch(method: MethodName, params: unknown, context: CallContext): Promise<unknown> {
  const { needsSocket }: MethodSpec = METHODS[method];
  if (needsSocket === true && context.connection === undefined) {
    throw new RpcError("NeedsSocket", `${method} works on a WebSocket only`);
  }
  const checked = paramsOf(method, params, context.defaultStream);
  // The handlers' params are typed by the table's schemas, method for method; the compiler can not follow one at a time.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const handle = HANDLERS[method] as (params: unknown, context: CallContext) => Promise<unknown>;
  return handle(checked, context);
}

/**
 * The params of a call as its handler takes them: of the contract, and all text in them well-formed Unicode, whatever
 * becomes of it.
 *
 * @param defaultStream The stream of `/stream/<name>`.
 * @throws InvalidParams.
 */
export function paramsOf<M extends MethodName>(method: M, params: unknown, defaultStream?: string): CheckedParams<M>;
export function paramsOf(method: MethodName, params: unknown, defaultStream?: string): unknown {
  const spec: MethodSpec = METHODS[method];
  // Some libraries send an empty list where params are left out.
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

/** On `/stream/<name>` every method that takes a stream has that one by default. */
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
