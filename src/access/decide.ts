import { METHOD_TRAITS, RpcError } from "../../rpc/index.ts";
import type { MethodName, MethodTraits, Right } from "../../rpc/index.ts";
import { containsFilter, matchesFilter } from "../internal/subject.ts";

import type { Access } from "./access.ts";

/** What is decided by, of the checked params of any method. Names are as the caller says them, without its prefix. */
export type DecidedParams = {
  readonly stream?: string;
  readonly consumer?: string;
  readonly subject?: string | undefined;
  readonly filter?: string | null | undefined;
  readonly messages?: readonly { readonly subject?: string | undefined }[];
  readonly key?: string;
  readonly keys?: readonly string[];
  readonly prefix?: string | undefined;
};

/** A call, and the right that it needs. */
type Asked = {
  readonly method: MethodName;
  readonly traits: MethodTraits;
  readonly need: string;
  readonly params: DecidedParams;
};

/**
 * Decides whether a caller may make a call: when one of its rights allows all of it. What is not allowed is forbidden.
 *
 * The commands of a subscription act on what was allowed when it was made. The answer depends on nothing but its arguments,
 * so it tells nothing of what exists.
 *
 * @param params As its handler gets them, but for the caller's prefix: so nothing else is done than what was decided on.
 * @returns Forbidden, or undefined when the call is allowed.
 */
export function decide({ rights }: Access, method: MethodName, params: DecidedParams): RpcError | undefined {
  const asked = askedBy(method, params);
  return asked === undefined || rights === "all" || areEnough(rights, asked) ? undefined : forbidden(rights, asked);
}

/** Whether a listing may show its caller a stream that it found: as {@link decide}, without an error for each that it may not. */
export function mayList({ rights }: Access, stream: string): boolean {
  const asked = askedBy("listStreams", { stream });
  return asked === undefined || rights === "all" || areEnough(rights, asked);
}

/** What a call asks for; undefined when it needs no right. */
function askedBy(method: MethodName, params: DecidedParams): Asked | undefined {
  const traits: MethodTraits = METHOD_TRAITS[method];
  const need = typeof traits.right === "object" ? traits.right[kindOf(params)] : traits.right;
  return need === undefined || traits.on === "subscription" ? undefined : { method, traits, need, params };
}

function areEnough(rights: readonly Right[], asked: Asked): boolean {
  return rights.some((right) => isOf(right, asked) && isBounded(right, asked));
}

function kindOf({ consumer }: DecidedParams): "stream" | "consumer" {
  return consumer === undefined ? "stream" : "consumer";
}

/** Whether a right is of the method and of all that its params name. */
function isOf(right: Right, { method, traits, need, params }: Asked): boolean {
  // `itself` is no group, so no right names it.
  if (!right.actions.some((action) => action === method || action === need)) {
    return false;
  }
  const { on } = traits;
  if (on === "streams" && params.stream === undefined) {
    return (right.streams ?? []).length > 0;
  }
  if (on === "stream" || on === "streams") {
    return reachesStream(right, params.stream);
  }
  return on !== "object" || keysOf(params).every((key) => reachesKey(right, key));
}

function reachesStream({ streams = [] }: Right, stream: string | undefined): boolean {
  return stream !== undefined && streams.some((pattern) => matchesFilter(pattern, stream));
}

function reachesKey({ objects = [] }: Right, key: string): boolean {
  return objects.some((prefix) => key.startsWith(prefix));
}

/** The keys that a call names; of a listing, what all keys that it may find begin with. */
function keysOf({ key, keys, prefix = "" }: DecidedParams): readonly string[] {
  return keys ?? [key ?? prefix];
}

/** Whether the subjects of a right, if it has any, bound what the call publishes or follows. */
function isBounded({ subjects }: Right, { traits, params }: Asked): boolean {
  if (subjects === undefined || traits.bySubject === "neither") {
    return true;
  }
  const { filter, messages = [params] } = params;
  if (traits.bySubject === "published") {
    return messages.every(
      ({ subject }) => subject !== undefined && subjects.some((allowed) => matchesFilter(allowed, subject)),
    );
  }
  // A consumer has its own filter, and its call none.
  return (
    traits.bySubject === "followed" &&
    typeof filter === "string" &&
    subjects.some((allowed) => containsFilter(allowed, filter))
  );
}

/** The error for a call that no right allows. It says what the caller has said, and what it lacks. */
function forbidden(rights: readonly Right[], asked: Asked): RpcError {
  const { method, traits, need, params } = asked;
  const named = rights.filter((right) => isOf(right, asked));
  const data = { method, action: need === "itself" ? method : need, ...namedBy(rights, asked) };
  if (named.length > 0) {
    const wanted = traits.bySubject === "published" ? "each message needs a subject" : "it needs a filter";
    const message = `${method} is bounded by subjects: ${wanted} within those of this caller's rights`;
    const isSubject = traits.bySubject !== undefined && kindOf(params) === "stream";
    return new RpcError("Forbidden", isSubject ? message : `${method} is not for rights with subjects`, data);
  }
  return new RpcError("Forbidden", messageOf(data), data);
}

function messageOf({ method, action, stream, key }: { method: string; action: string; stream?: string; key?: string }) {
  const where = stream === undefined ? "" : ` on the stream ${stream}`;
  const of = key === undefined ? where : ` on the object ${key}`;
  return `these credentials have no right to ${method}${of}: it needs ${action}`;
}

/** The stream or the object that a refused call names; of several objects, the first that is beyond every right. */
function namedBy(rights: readonly Right[], { traits: { on }, params }: Asked): { stream?: string; key?: string } {
  if (on === "object") {
    const keys = keysOf(params);
    const [first = ""] = keys;
    return { key: keys.find((key) => !rights.some((right) => reachesKey(right, key))) ?? first };
  }
  return params.stream === undefined ? {} : { stream: params.stream };
}
