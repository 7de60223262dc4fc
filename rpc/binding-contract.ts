import * as v from "valibot";

import { isMethodName } from "./method-traits.ts";
import type { MethodName } from "./method-traits.ts";
import { StreamName } from "./names.ts";

/**
 * What a binding may do, as its `props` say in the caller's configuration. Without props: everything. A list that is
 * given allows what it holds and nothing else.
 */
export const BindingProps = v.strictObject({
  /** Streams by name; of the others nothing is told, not even whether they exist. */
  streams: v.optional(v.array(StreamName)),
  /** Methods of the contract, by name. */
  actions: v.optional(v.array(v.custom<MethodName>((name) => typeof name === "string" && isMethodName(name)))),
});
export type BindingProps = v.InferOutput<typeof BindingProps>;
