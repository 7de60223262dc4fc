import * as v from "valibot";

import { isMethodName } from "./methods/method-traits.ts";
import type { MethodName } from "./methods/method-traits.ts";
import { NamePrefix, Rights } from "./methods/rights.ts";
import { StreamName } from "./schemas/names.ts";

/** What the caller may do, as every caller's rights are said. */
const RightsProps = v.strictObject({
  rights: Rights,
  /** Stands before every stream name and object key that the caller says, and is taken off those it is told. */
  prefix: v.exactOptional(NamePrefix),
  /** Whom the binding is for. */
  subject: v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
});

/** The short form. A list permits only what it names, and what is left out permits everything. */
const ListProps = v.strictObject({
  /** Names of streams. Of others the caller learns nothing, not even whether they exist. */
  streams: v.exactOptional(v.array(StreamName)),
  /** Names of methods. */
  actions: v.exactOptional(v.array(v.custom<MethodName>((name) => typeof name === "string" && isMethodName(name)))),
});

/**
 * The permissions of a service binding, set as its `props` in the caller's configuration. Without props it may do
 * everything.
 *
 * @example { rights: [{ streams: ["room.*"], actions: ["read", "publish"] }], prefix: "acme." }
 * @example { streams: ["orders"], actions: ["publish"] }
 */
export const BindingProps = v.union([RightsProps, ListProps]);
export type BindingProps = v.InferOutput<typeof BindingProps>;
