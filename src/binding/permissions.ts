import * as v from "valibot";

import { BindingProps, METHODS, RpcError } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";

/**
 * Checks what a caller by service binding may do: the one place that does.
 *
 * @param props As the binding was configured. Those that are not understood allow nothing: what was meant is unknown.
 * @param params As they came; what names no stream by a string is left to the check of params.
 * @throws Forbidden.
 */
export function authorise(props: unknown, method: MethodName, params: object): void {
  const authority = v.safeParse(BindingProps, props ?? {});
  if (!authority.success) {
    throw new RpcError("Forbidden", "the props of this binding are not understood");
  }
  const { streams, actions } = authority.output;
  if (actions !== undefined && !actions.includes(method)) {
    throw new RpcError("Forbidden", "this binding may not call the method", { method });
  }
  if (streams !== undefined && !isWithin(streams, method, params)) {
    throw new RpcError("Forbidden", "this binding may not use it", { method });
  }
}

/** Objects are not of a stream: a binding to some streams does not reach them. */
function isWithin(streams: readonly string[], method: MethodName, params: object): boolean {
  const { on } = METHODS[method];
  if (on !== "stream") {
    return on === "server";
  }
  return !("stream" in params) || typeof params.stream !== "string" || streams.includes(params.stream);
}
