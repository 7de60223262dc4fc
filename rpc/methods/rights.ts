import * as v from "valibot";

import { SubjectFilter } from "../schemas/names.ts";

import { isMethodName, METHOD_TRAITS } from "./method-traits.ts";
import type { MethodName, MethodRight } from "./method-traits.ts";

/** The groups of methods that a right may name. */
export const METHOD_RIGHTS = [
  "read",
  "publish",
  "state",
  "consume",
  "manage",
  "objects.read",
  "objects.write",
] as const satisfies readonly MethodRight[];

/** A group of methods, or the name of one. `issueToken` is of no group. */
export type Action = MethodRight | MethodName;

/** Every {@link Action} once: `publish` is a group. */
const ACTIONS: readonly Action[] = [
  ...new Set<Action>([...METHOD_RIGHTS, ...Object.keys(METHOD_TRAITS).filter(isMethodName)]),
];

/** A stream's name, or a pattern over its tokens as of a subject: `room.*`, `inbox.42.>`. `>` alone is every stream. */
export const StreamPattern = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(128),
  v.regex(
    /^(?!\.)(?:>|(?:[A-Za-z0-9_-]*|\*)(?:\.(?:[A-Za-z0-9_-]*|\*))*(?:\.>)?)$/,
    "must be the name of a stream, with * for one token and > for the rest",
  ),
  v.description("Name of a stream, in which * stands for one token between dots and a last > for one or more."),
);

/**
 * What stands before every name of a caller's streams and objects, of which it says and hears the rest only: tokens of
 * `[A-Za-z0-9_-]`, each with a dot behind it, 64 characters at most. The dot keeps callers apart: without it, what `a` names
 * `b.1` would be what `ab` names `.1`. Only what is behind `a.b.` is behind `a.` too.
 *
 * @example "acme."
 */
export const NamePrefix = v.pipe(
  v.string(),
  v.maxLength(64),
  v.regex(/^(?:[A-Za-z0-9_-]+\.)+$/, "must be of tokens of [A-Za-z0-9_-], each with a dot behind it"),
);

/**
 * What its holder may do: each of `actions` on each of `streams` and `objects`. A list that is left out names nothing: a right
 * without `streams` reaches no stream, one without `objects` no object. A call is allowed when one right allows all of it.
 *
 * @example { streams: ["room.*"], actions: ["read", "publish"], subjects: ["chat.>"] }
 */
export const Right = v.strictObject({
  streams: v.exactOptional(
    v.pipe(
      v.array(StreamPattern),
      v.maxLength(64),
      v.description("Names of streams, in which `*` stands for one token between dots and a last `>` for one or more."),
    ),
  ),
  objects: v.exactOptional(
    v.pipe(
      v.array(v.pipe(v.string(), v.maxLength(1024))),
      v.maxLength(64),
      v.description("Prefixes of keys; the empty one is of every object."),
    ),
  ),
  actions: v.pipe(
    v.array(v.picklist(ACTIONS, "must be a group of methods or the name of one")),
    v.minLength(1),
    v.maxLength(64),
    v.description("Groups of methods, or names of methods."),
  ),
  /**
   * Bound what is published and followed. Left out: any message, with a subject or without. With them the right is of
   * methods only that they can bound (`bySubject` of the method's traits), whatever its actions are.
   */
  subjects: v.exactOptional(
    v.pipe(
      v.array(SubjectFilter),
      v.maxLength(64),
      v.description("Filters that bound what is published and followed; any message unless given."),
    ),
  ),
});
export type Right = v.InferOutput<typeof Right>;

/** All that a caller may do: what one of them allows. */
export const Rights = v.pipe(v.array(Right), v.maxLength(32));
export type Rights = v.InferOutput<typeof Rights>;
