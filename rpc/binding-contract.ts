import * as v from "valibot";

import { METHODS } from "./methods.ts";
import type { MethodName, MethodSpec } from "./methods.ts";
import { StreamName } from "./names.ts";

/** The methods that a service binding has by their own names: those that need no socket. */
export type BindingMethodName = {
  [M in MethodName]: (typeof METHODS)[M] extends { readonly needsSocket: true } ? never : M;
}[MethodName];

/** The methods of {@link BindingMethodName}, in the order of the contract. */
export const BINDING_METHODS: readonly BindingMethodName[] = Object.keys(METHODS).filter(isBindingMethodName);

function isBindingMethodName(name: string): name is BindingMethodName {
  const methods: Readonly<Record<string, MethodSpec>> = METHODS;
  return methods[name] !== undefined && methods[name].needsSocket !== true;
}

/**
 * What a binding may do, as its `props` say in the caller's configuration. Without props: everything. A list that is
 * given allows what it holds and nothing else.
 */
export const BindingProps = v.strictObject({
  /** Streams by name; of the others nothing is told, not even whether they exist. */
  streams: v.optional(v.array(StreamName)),
  /** Methods of the contract, by name. */
  actions: v.optional(
    v.array(v.custom<MethodName>((name) => typeof name === "string" && Object.hasOwn(METHODS, name))),
  ),
});
export type BindingProps = v.InferOutput<typeof BindingProps>;
