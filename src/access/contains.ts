import { METHOD_TRAITS } from "../../rpc/index.ts";
import type { Action, MethodTraits, Right } from "../../rpc/index.ts";
import { containsFilter } from "../internal/subject.ts";

/**
 * Whether a right allows nothing that another one does not: its streams, objects, actions and subjects are each within those
 * of the other. It may say no where several patterns of the other would cover one only together.
 *
 * @param prefix Stands before every name that the inner right is of, and is not in it.
 */
export function containsRight(outer: Right, inner: Right, prefix = ""): boolean {
  const { streams = [], objects = [], actions } = inner;
  return (
    containsActions(outer.actions, actions) &&
    streams.every((pattern) => isWithin(outer.streams, prefix + pattern)) &&
    objects.every((key) => (outer.objects ?? []).some((start) => (prefix + key).startsWith(start))) &&
    containsSubjects(outer.subjects, inner.subjects)
  );
}

/** Left out, subjects bound nothing. */
function containsSubjects(outer: readonly string[] | undefined, inner: readonly string[] | undefined): boolean {
  return outer === undefined || inner?.every((filter) => isWithin(outer, filter)) === true;
}

function isWithin(outer: readonly string[] = [], pattern: string): boolean {
  return outer.some((each) => containsFilter(each, pattern));
}

/** Whether actions permit every method that others permit, however either names them. */
function containsActions(outer: readonly Action[], inner: readonly Action[]): boolean {
  const permitted = new Set(outer.flatMap(usesOf));
  return inner.flatMap(usesOf).every((use) => permitted.has(use));
}

const METHODS_BY_NAME: readonly (readonly [string, MethodTraits])[] = Object.entries(METHOD_TRAITS);

/** What an action permits: methods, and of one that a stream and a consumer need other rights for, each of the two. */
function usesOf(action: Action): string[] {
  return METHODS_BY_NAME.flatMap(([method, { right }]) => {
    const uses = typeof right === "object" ? Object.entries(right) : [["", right]];
    // What needs no right is permitted to all.
    const permitted = uses.filter(([, need]) => need !== undefined && (method === action || need === action));
    return permitted.map(([kind]) => `${method} ${kind}`);
  });
}
