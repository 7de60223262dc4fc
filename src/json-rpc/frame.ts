import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import type { ErrorData } from "../../rpc/index.ts";

/** The id of a request: what the specification allows. */
export type CallId = string | number | null;

/** One request of a frame that is well formed; a notification has no id. */
export type Call = { jsonrpc: "2.0"; method: string; params?: object; id?: CallId };

/** One element of a frame that is not a request, and what to answer. */
export type Malformed = { id: CallId; code: ErrorCode; message: string; data?: ErrorData };

/** What a frame holds: one thing, or a batch of them. */
export type Frame = { isBatch: boolean; elements: (Call | Malformed)[] };

/** Tells requests from what only looks like one. */
export function isCall(element: Call | object): element is Call {
  return "method" in element;
}

/**
 * Reads a frame by the letter of JSON-RPC 2.0 (sections 4 to 6). Whatever the text, the outcome is a frame: faults
 * are elements that say what to answer, and a fault of the whole is a single one.
 */
export function readFrame(text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which the client has.
    return fault("ParseError", "the text is not JSON");
  }
  if (!Array.isArray(value)) {
    return { isBatch: false, elements: [readElement(value)] };
  }
  if (value.length === 0) {
    return fault("InvalidRequest", "an empty batch");
  }
  if (value.length > LIMITS.batchCalls) {
    return fault("TooLarge", "too many calls in a batch", { what: "batchCalls", limit: LIMITS.batchCalls });
  }
  return { isBatch: true, elements: value.map(readElement) };
}

function fault(name: keyof typeof ErrorCode, message: string, data?: ErrorData): Frame {
  const element = { id: null, code: ErrorCode[name], message };
  return { isBatch: false, elements: [data === undefined ? element : { ...element, data }] };
}

function readElement(value: unknown): Call | Malformed {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return malformed(null, "a request must be an object");
  }
  // Own properties only: a request has no other.
  const request = value as Partial<Record<"jsonrpc" | "method" | "params" | "id", unknown>>;
  const hasId = Object.hasOwn(request, "id");
  if (hasId && !isCallId(request.id)) {
    return malformed(null, "id must be a string, null or a number that comes back as it was");
  }
  const id = isCallId(request.id) ? request.id : null;
  if (typeof request.method !== "string" && ("result" in request || "error" in request)) {
    // The id of a response is one that the server gave: here it may be that of a call which the client has open.
    return malformed(null, "a response, to a server that asks nothing");
  }
  if (request.jsonrpc !== "2.0") {
    return malformed(id, 'jsonrpc must be "2.0"');
  }
  if (typeof request.method !== "string") {
    return malformed(id, "method must be a string");
  }
  const call: Call = { jsonrpc: "2.0", method: request.method };
  // Some libraries send null where params are left out.
  if (request.params !== undefined && request.params !== null) {
    if (typeof request.params !== "object") {
      return malformed(id, "params must be an object or an array");
    }
    // Counted from here, so that it does not matter what a call is sent in.
    const excess = excessOf(request.params, LIMITS.nesting);
    if (excess !== undefined) {
      return { id, ...excess };
    }
    call.params = request.params;
  }
  if (hasId) {
    call.id = id;
  }
  return call;
}

function malformed(id: CallId, message: string): Malformed {
  return { id, code: ErrorCode.InvalidRequest, message };
}

/** An integer beyond 2^53 may not be the one that was sent, and an infinite number can not be written as JSON. */
function isCallId(value: unknown): value is CallId {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
  }
  return value === null || typeof value === "string";
}

/**
 * What of a value can not be kept: more levels of arrays and objects than `levels`, or a number beyond the range of a
 * double, which JSON.parse makes infinite and JSON.stringify null.
 */
export function excessOf(value: unknown, levels: number): Omit<Malformed, "id"> | undefined {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return { code: ErrorCode.InvalidRequest, message: "a number is beyond the range of a double" };
  }
  if (typeof value !== "object" || value === null) {
    return undefined;
  }
  if (levels === 0) {
    const data = { what: "nesting", limit: LIMITS.nesting };
    return { code: ErrorCode.TooLarge, message: "nested too deep", data };
  }
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    const excess = excessOf(item, levels - 1);
    if (excess !== undefined) {
      return excess;
    }
  }
  return undefined;
}
