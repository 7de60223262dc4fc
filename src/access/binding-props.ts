import * as v from "valibot";

import { BindingProps, METHOD_RIGHTS, RpcError } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";

import { ROOT } from "./access.ts";
import type { Access } from "./access.ts";

/**
 * Who calls by a service binding.
 *
 * @param props As the binding was configured.
 * @param method The one that is called: a list of `actions` is of methods, not of groups that have the same name, and it is
 * of all that may be called, also of what needs no right.
 * @throws Forbidden for props that do not fit `BindingProps`, and for a method that `actions` do not list.
 */
export function accessOfProps(props: unknown, method: MethodName): Access {
  const checked = v.safeParse(BindingProps, props === undefined ? {} : recordOf(props));
  if (!checked.success) {
    throw new RpcError("Forbidden", "the props of this binding are not understood");
  }
  if ("rights" in checked.output) {
    return checked.output;
  }
  const { streams, actions } = checked.output;
  if (actions?.includes(method) === false) {
    throw new RpcError("Forbidden", "this binding may not call the method", { method });
  }
  if (streams === undefined) {
    return actions === undefined ? ROOT : { rights: [{ streams: [">"], objects: [""], actions }] };
  }
  // Objects are not of a stream: a binding to some streams does not reach them.
  return { rights: [{ streams, actions: actions ?? [...METHOD_RIGHTS] }] };
}

/** Props that are a record; undefined for a list and the like, which a schema of objects takes for one without fields. */
function recordOf(props: unknown): object | undefined {
  return Object.prototype.toString.call(props) === "[object Object]" ? Object(props) : undefined;
}
