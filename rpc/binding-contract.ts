import * as v from "valibot";

import { isMethodName } from "./methods/method-traits.ts";
import type { MethodName } from "./methods/method-traits.ts";
import { StreamName } from "./schemas/names.ts";

/**
 * The permissions of a service binding, set as its `props` in the caller's configuration. Without props it may do
 * everything; a list permits only what it names.
 */
export const BindingProps = v.strictObject({
  /** Names of streams. Of others the caller learns nothing, not even whether they exist. */
  streams: v.optional(v.array(StreamName)),
  /** Names of methods. */
  actions: v.optional(v.array(v.custom<MethodName>((name) => typeof name === "string" && isMethodName(name)))),
});
export type BindingProps = v.InferOutput<typeof BindingProps>;
