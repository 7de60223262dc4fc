import * as v from "valibot";

import { METHODS, RpcError } from "../../rpc/index.ts";
import type { CheckedParams, MethodName, MethodSpec } from "../../rpc/index.ts";
import { decide } from "../access/decide.ts";
import type { DecidedParams } from "../access/decide.ts";
import { withoutPrefix, withPrefix } from "../access/prefix.ts";
import { invalidParams, naming } from "../errors/answered-errors.ts";
import { faultsOf } from "../errors/params-faults.ts";
import type { CallContext } from "../methods/context.ts";
import { HANDLERS } from "../methods/index.ts";

import { findIllFormed } from "./well-formed.ts";

/** Who makes a call, as far as its params depend on it. */
export type Caller = Pick<CallContext, "access" | "defaultStream">;

/**
 * Checks a call's params, decides whether its caller may make it, and runs its handler. Everything up to the
 * handler's first await runs synchronously, so calls of one socket reach their streams in the order in which they begin.
 *
 * @throws RpcError for what a caller can act on; anything else is a fault of the server.
 */
export async function dispatch(method: MethodName, params: unknown, context: CallContext): Promise<unknown> {
  const { needsSocket }: MethodSpec = METHODS[method];
  if (needsSocket === true && context.connection === undefined) {
    throw new RpcError("NeedsSocket", `${method} works on a WebSocket only`);
  }
  context.expectLive();
  const checked: object = paramsOf(method, params, context);
  // Handlers are typed by the schemas in METHODS; the compiler can not relate a method that is known at run time only.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const handle = HANDLERS[method] as (params: unknown, context: CallContext) => Promise<unknown>;
  const { prefix } = context.access;
  let result: unknown;
  try {
    result = await handle(checked, context);
  } catch (error) {
    throw naming(error, checked, prefix);
  }
  return prefix === undefined ? result : withoutPrefix(prefix, result);
}

/**
 * The params that the handler of a call gets: checked, of a call that its caller may make, and with the caller's prefix
 * before the names in them. There is no other way to a handler.
 *
 * @throws InvalidParams, Forbidden.
 */
export function paramsOf<M extends MethodName>(method: M, params: unknown, caller: Caller): CheckedParams<M>;
export function paramsOf(method: MethodName, params: unknown, caller: Caller): object {
  const allowed: object = allowedParams(method, params, caller);
  const { prefix } = caller.access;
  return prefix === undefined ? allowed : withPrefix(prefix, method, allowed);
}

/**
 * Checks the params of a call: they match the schema, and all text in them is well-formed Unicode. Then decides whether
 * the caller may make the call: by the very params that its handler gets, so that nothing else is done than what was
 * decided on. What is wrong with params is said first, as it tells nothing of what exists.
 *
 * @returns The params with names as the caller says them.
 * @throws InvalidParams, Forbidden.
 */
export function allowedParams<M extends MethodName>(method: M, params: unknown, caller: Caller): CheckedParams<M>;
export function allowedParams(method: MethodName, params: unknown, { access, defaultStream }: Caller): object {
  const spec: MethodSpec = METHODS[method];
  // Some libraries send an empty array for params that are left out.
  const named = Array.isArray(params) && params.length === 0 ? undefined : params;
  if (Array.isArray(named)) {
    throw invalidParams(method, [{ path: [], reason: "must be an object: params are passed by name" }]);
  }
  const given = withDefaultStream(spec, named ?? {}, defaultStream);
  // The first fault ends it: a frame of a megabyte may hold half a million, which would take a second to list.
  const parsed = v.safeParse(spec.params, given, { abortEarly: true });
  if (!parsed.success) {
    throw invalidParams(method, faultsOf(spec.params, given));
  }
  const illFormed = findIllFormed(parsed.output);
  if (illFormed !== undefined) {
    throw invalidParams(method, [{ path: illFormed, reason: "must be well-formed Unicode" }]);
  }
  // The schema of every method is of an object.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const checked = parsed.output as DecidedParams;
  const refusal = decide(access, method, checked);
  if (refusal !== undefined) {
    throw refusal;
  }
  return checked;
}

/** On `/stream/<name>` that stream is the default of every method that takes one. */
function withDefaultStream(spec: MethodSpec, params: unknown, stream: string | undefined): unknown {
  if (stream === undefined || typeof params !== "object" || params === null || Array.isArray(params)) {
    return params;
  }
  return spec.on === "stream" && !Object.hasOwn(params, "stream") ? { ...params, stream } : params;
}
