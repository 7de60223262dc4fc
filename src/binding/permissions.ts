import * as v from "valibot";

import { BindingProps, METHODS, RpcError } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";

/**
 * Checks that a service binding may make a call. No other place does.
 *
 * @param props As the binding was configured. Props that do not fit `BindingProps` allow nothing.
 * @param params As they came. A `stream` that is no string is left to the check of params.
 * @throws Forbidden.
 */
export function authorise(props: unknown, method: MethodName, params: object): void {
  const checked = v.safeParse(BindingProps, props ?? {});
  if (!checked.success) {
    throw new RpcError("Forbidden", "the props of this binding are not understood");
  }
  const { streams, actions } = checked.output;
  if (actions !== undefined && !actions.includes(method)) {
    throw new RpcError("Forbidden", "this binding may not call the method", { method });
  }
  if (streams !== undefined && !isWithin(streams, method, params)) {
    throw new RpcError("Forbidden", "this binding may not use it", { method });
  }
}

/** Objects are not of a stream, and a list of streams tells of others: a binding to some streams does not reach them. */
function isWithin(streams: readonly string[], method: MethodName, params: object): boolean {
  const { on } = METHODS[method];
  if (on !== "stream") {
    return on === "server";
  }
  return !("stream" in params) || typeof params.stream !== "string" || streams.includes(params.stream);
}
