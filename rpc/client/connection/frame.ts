import { errorOfResponse } from "../error.ts";
import type { DurableStreamError } from "../error.ts";

/** What a server says: the answer to a call, or a notification. */
export type Incoming =
  | { readonly kind: "result"; readonly id: unknown; readonly result: object }
  | { readonly kind: "error"; readonly id: unknown; readonly error: DurableStreamError }
  | { readonly kind: "notification"; readonly method: string; readonly params: object };

/** Reads a frame of a server; undefined when any of it is not what a server of this contract may say. */
export function readIncoming(text: string): Incoming[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Safe: the caller learns that it is no JSON, and closes the socket.
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
