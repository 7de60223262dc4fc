import { LIMITS, METHOD_TRAITS, RpcError, STREAM_NAME_CHARACTERS } from "../../rpc/index.ts";
import type { MethodName, MethodTraits } from "../../rpc/index.ts";
import { JsonText } from "../internal/json-text.ts";
import { utf8Bytes } from "../internal/message-text.ts";

/** What a result that is JSON text begins with when it tells a name. */
const NAME_HEAD = /^\{"(?:stream|key)":"/;

/** The fields of results that tell a name, and those that are lists of names or of objects with such fields. */
const NAMES: ReadonlySet<string> = new Set(["stream", "key", "after"]);
const LISTS: ReadonlySet<string> = new Set(["objects", "prefixes", "streams"]);

/** Params of any method. */
type Said = { readonly [name: string]: unknown };

/**
 * The checked params of a call with the caller's prefix before every name in them.
 *
 * @throws InvalidParams for a name that is too long with it.
 */
export function withPrefix<P extends object>(prefix: string, method: MethodName, params: P): P;
export function withPrefix(prefix: string, method: MethodName, params: object): object {
  const traits: MethodTraits = METHOD_TRAITS[method];
  const said: Said = { ...params };
  if (traits.on === "stream") {
    return { ...said, ...prefixed(prefix, said, "stream", streamRoom) };
  }
  if (traits.on === "streams") {
    const listed = prefixed(prefix, { prefix: "", ...said }, "prefix", streamRoom);
    return { ...said, ...listed, ...prefixed(prefix, said, "after", streamRoom) };
  }
  return traits.on === "object" ? { ...said, ...withPrefixedKeys(prefix, said) } : params;
}

function withPrefixedKeys(prefix: string, said: Said): object {
  if (Array.isArray(said["keys"])) {
    const keys = said["keys"].map((key: unknown) => prefixed(prefix, { key }, "key", keyRoom)["key"]);
    return { keys };
  }
  // A call that names no object lists them.
  return "key" in said
    ? prefixed(prefix, said, "key", keyRoom)
    : prefixed(prefix, { prefix: "", ...said }, "prefix", keyRoom);
}

/** One name with the prefix before it; nothing when there is none. */
function prefixed(
  prefix: string,
  said: Said,
  path: string,
  roomOf: (prefix: string, name: string) => { size: number; most: number; of: string },
): { [name: string]: string } {
  const name = said[path];
  if (typeof name !== "string") {
    return {};
  }
  const { size, most, of } = roomOf(prefix, name);
  if (size > most) {
    const reason = `must be at most ${most} ${of} of a caller whose names have a prefix`;
    throw new RpcError("InvalidParams", `params.${path} ${reason}`, { issues: [{ path, reason }] });
  }
  return { [path]: prefix + name };
}

function streamRoom(prefix: string, name: string) {
  return { size: name.length, most: STREAM_NAME_CHARACTERS - prefix.length, of: "characters" };
}

function keyRoom(prefix: string, name: string) {
  return { size: utf8Bytes(name), most: LIMITS.objectKeyBytes - prefix.length, of: "bytes" };
}

/** A result as the caller is told it: without its prefix before the names in it. */
export function withoutPrefix<T>(prefix: string, result: T): T;
export function withoutPrefix(prefix: string, result: unknown): unknown {
  if (result instanceof JsonText) {
    const [head] = NAME_HEAD.exec(result.text) ?? [];
    // The characters of a prefix need no escaping.
    return head === undefined ? result : new JsonText(head + callersName(prefix, result.text.slice(head.length)));
  }
  if (typeof result !== "object" || result === null) {
    return result;
  }
  const told = Object.entries(result).map(([field, value]: [string, unknown]) => [field, toldBy(prefix, field, value)]);
  return Object.fromEntries(told);
}

function toldBy(prefix: string, field: string, value: unknown): unknown {
  if (LISTS.has(field) && Array.isArray(value)) {
    return value.map((one: unknown) =>
      typeof one === "string" ? callersName(prefix, one) : withoutPrefix(prefix, one),
    );
  }
  return NAMES.has(field) && typeof value === "string" ? callersName(prefix, value) : value;
}

/** A name as the caller says it. @param prefix The caller's, if it has one. */
export function callersName(prefix: string | undefined, name: string): string {
  if (prefix === undefined) {
    return name;
  }
  if (!name.startsWith(prefix)) {
    throw new Error("a caller with a prefix was about to be told a name without it");
  }
  return name.slice(prefix.length);
}
