import type * as v from "valibot";

import { quoted } from "./quoted.ts";

/** Fields whose content is its owner's business: no message quotes it. */
const PRIVATE: ReadonlySet<string> = new Set(["token", "data", "state", "headers", "metadata"]);

/** What a value of each type of schema has to be. */
const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  array: "an array",
  record: "an object",
  strict_object: "an object",
  safe_integer: "a whole number",
};

/** How valibot begins a message of its own; those of the schemas say what a value must be. */
const BY_VALIBOT = "Invalid ";

/**
 * What is wrong with a value, by the issue that valibot found in it: what it must be, and what came.
 *
 * @example `must be at most 500, not 501`
 */
export function valueFault(issue: v.BaseIssue<unknown>, path: readonly string[]): string {
  const { type, input, message, received } = issue;
  if (!message.startsWith(BY_VALIBOT)) {
    // A name in a record is where the path ends.
    const isSaid = isObject(input) || issue.path?.at(-1)?.origin === "key";
    return isSaid ? message : `${message}, not ${came(input, path)}`;
  }
  const isOfLength = type.endsWith("_length") || type.endsWith("_entries");
  return `must be ${expected(issue)}, not ${isOfLength ? received : came(input, path)}`;
}

/**
 * What is wrong with a value that no alternative is like.
 *
 * @param words What each of them is.
 */
export function noneOf(words: readonly string[], input: unknown, path: readonly string[]): string {
  return `must be ${orList(words)}, not ${came(input, path)}`;
}

/** The values of a list in the words of a sentence. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function expected({ type, expected: said, input, requirement }: v.BaseIssue<unknown>): string {
  const [word, bound] = type.split("_");
  if (word === "min" || word === "max") {
    const limit = `at ${word === "min" ? "least" : "most"} ${String(requirement)}`;
    return bound === "value" ? limit : `${limit} ${counted(input)}${requirement === 1 ? "" : "s"}`;
  }
  return TYPES[type] ?? orList(valuesOf(said));
}

/** The values that a schema of valibot says it is one of: `("first" | "new")`. */
export function valuesOf(expects: string | null): string[] {
  return (expects ?? "another value").replaceAll(/[()]/g, "").split(" | ");
}

function counted(input: unknown): string {
  return typeof input === "string" ? "character" : "element";
}

/** A value as a message may say it: the beginning of a text, a number as it is, of all else only what it is. */
function came(input: unknown, path: readonly string[]): string {
  if (input === null) {
    return "null";
  }
  if (Array.isArray(input)) {
    return "an array";
  }
  const type = typeof input;
  if (type === "object" || path.some((name) => PRIVATE.has(name))) {
    return type === "object" ? "an object" : `a ${type}`;
  }
  return typeof input === "string" ? quoted(input) : JSON.stringify(input);
}

function isObject(input: unknown): boolean {
  return typeof input === "object" && input !== null;
}
