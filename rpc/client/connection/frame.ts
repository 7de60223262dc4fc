import { errorOfResponse } from "../error.ts";
import type { DurableStreamError } from "../error.ts";

/** One element of a frame: the answer to a request, or a notification. */
export type Incoming =
  | { readonly kind: "result"; readonly id: unknown; readonly result: object }
  | { readonly kind: "error"; readonly id: unknown; readonly error: DurableStreamError }
  | { readonly kind: "notification"; readonly method: string; readonly params: object };

/** Parses a frame: one element or a batch. Undefined when any part of it breaks the contract. */
export function readIncoming(text: string): Incoming[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Safe: the caller gets undefined, and drops the socket.
    return undefined;
  }
  const elements: unknown[] = Array.isArray(value) ? value : [value];
  const incoming: Incoming[] = [];
  for (const element of elements) {
    const one = readElement(element);
    if (one === undefined) {
      return undefined;
    }
    incoming.push(one);
  }
  return incoming;
}

function readElement(element: unknown): Incoming | undefined {
  if (!isObject(element)) {
    return undefined;
  }
  if ("method" in element) {
    const params = "params" in element ? element.params : {};
    return typeof element.method === "string" && isObject(params)
      ? { kind: "notification", method: element.method, params }
      : undefined;
  }
  if (!("id" in element)) {
    return undefined;
  }
  if ("error" in element) {
    const error = errorOfResponse(element.error);
    return error === undefined ? undefined : { kind: "error", id: element.id, error };
  }
  // Every result of the contract is an object.
  return "result" in element && isObject(element.result)
    ? { kind: "result", id: element.id, result: element.result }
    : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
