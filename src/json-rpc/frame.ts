import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import type { ErrorData } from "../../rpc/index.ts";

/** The id of a request, as the specification allows it. */
type CallId = string | number | null;

/** A well-formed request of a frame; a notification has no id. */
export type Call = { jsonrpc: "2.0"; method: string; params?: object; id?: CallId };

/** An element of a frame that is no request, and the error to answer. */
export type Malformed = { id: CallId; code: ErrorCode; message: string; data?: ErrorData };

/** What a parsed value takes beside its text, and what an array or object does besides: `{}` in a list (measured on workerd 1.20261117). */
const VALUE_BYTES = 12;
const CONTAINER_BYTES = 20;

/** What values take in memory beside their text. */
type Counted = { valueBytes: number };

/** A frame: one element, or a batch of them; and what the params of its calls take. */
export type Frame = { isBatch: boolean; elements: (Call | Malformed)[] } & Counted;

/** Tells a request from an element that is answered with an error. */
export function isCall(element: Call | object): element is Call {
  return "method" in element;
}

/**
 * Parses a frame strictly by JSON-RPC 2.0 (sections 4 to 6). It never throws: a malformed request is an element that
 * says what to answer, and a malformed frame is a single such element.
 */
export function readFrame(text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message is left out: it quotes the text, which the client has.
    return fault("ParseError", "the text is not JSON");
  }
  const counted = { valueBytes: 0 };
  if (!Array.isArray(value)) {
    return { isBatch: false, elements: [readElement(value, counted)], ...counted };
  }
  if (value.length === 0) {
    return fault("InvalidRequest", "an empty batch");
  }
  if (value.length > LIMITS.batchCalls) {
    return fault("TooLarge", "too many calls in a batch", { what: "batchCalls", limit: LIMITS.batchCalls });
  }
  return { isBatch: true, elements: value.map((element) => readElement(element, counted)), ...counted };
}

function fault(name: keyof typeof ErrorCode, message: string, data?: ErrorData): Frame {
  const element = { id: null, code: ErrorCode[name], message };
  return { isBatch: false, elements: [data === undefined ? element : { ...element, data }], valueBytes: 0 };
}

function readElement(value: unknown, counted: Counted): Call | Malformed {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return malformed(null, "a request must be an object");
  }
  // JSON.parse makes own properties only.
  const request = value as Partial<Record<"jsonrpc" | "method" | "params" | "id", unknown>>;
  const hasId = Object.hasOwn(request, "id");
  if (hasId && !isCallId(request.id)) {
    return malformed(null, "id must be a string, null or a number that comes back as it was");
  }
  const id = isCallId(request.id) ? request.id : null;
  if (typeof request.method !== "string" && ("result" in request || "error" in request)) {
    // Answered with id null: the id of a response may be that of a call which the client has open.
    return malformed(null, "a response, to a server that asks nothing");
  }
  if (request.jsonrpc !== "2.0") {
    return malformed(id, 'jsonrpc must be "2.0"');
  }
  if (typeof request.method !== "string") {
    return malformed(id, "method must be a string");
  }
  const call: Call = { jsonrpc: "2.0", method: request.method };
  // Some libraries send null for params that are left out.
  if (request.params !== undefined && request.params !== null) {
    if (typeof request.params !== "object") {
      return malformed(id, "params must be an object or an array");
    }
    // Nesting counts from params, so a call in a batch has the same limit as one alone.
    const excess = excessOf(request.params, LIMITS.nesting, counted);
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

/** A number must be answered unchanged: an integer beyond 2^53 may have been rounded, an infinite one is no JSON. */
function isCallId(value: unknown): value is CallId {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
  }
  return value === null || typeof value === "string";
}

/**
 * The error for a value that can not be kept unchanged: with more levels of arrays and objects than `levels`, or a
 * number beyond the range of a double, which JSON.parse makes infinite and JSON.stringify null. Undefined when it has
 * none.
 *
 * @param counted What the value takes is added to it on the way.
 */
export function excessOf(
  value: unknown,
  levels: number,
  counted: Counted = { valueBytes: 0 },
): Omit<Malformed, "id"> | undefined {
  counted.valueBytes += VALUE_BYTES;
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
  counted.valueBytes += CONTAINER_BYTES;
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    const excess = excessOf(item, levels - 1, counted);
    if (excess !== undefined) {
      return excess;
    }
  }
  return undefined;
}
