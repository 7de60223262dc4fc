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
/**
 * What a key takes that no object before has after the same keys: V8 keeps it, and a hidden class. An object with one takes
 * 141 bytes in all, each of ten keys 78, of a hundred 83 (measured as above, after Object.keys, which adds some 30).
 */
const NEW_KEY_BYTES = 64;
/** So many new keys of a frame are not counted: ordinary messages share theirs with those of other frames. */
const SHARED_KEYS = 16;
/** More keys than these that follow the same ones are not remembered: to look for one must not take long. */
const KNOWN_KEYS = 16;

/** A key of an object, after those before it: objects with the same keys in the same order share it, as V8's hidden classes do. */
type KnownKey = { readonly key: string; readonly sibling: KnownKey | undefined; after: KnownKey | undefined };

/** What values take in memory beside their text and keys, their new keys, and those that objects so far begin with. */
type Counted = { valueBytes: number; newKeys: number; known: KnownKey | undefined };

/** A frame: one element, or a batch of them; and what the params of its calls take. */
export type Frame = { isBatch: boolean; elements: (Call | Malformed)[]; valueBytes: number };

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
  const counted = nothing();
  if (!Array.isArray(value)) {
    const elements = [readElement(value, counted)];
    return { isBatch: false, elements, valueBytes: bytesOf(counted) };
  }
  if (value.length === 0) {
    return fault("InvalidRequest", "an empty batch");
  }
  if (value.length > LIMITS.batchCalls) {
    return fault("TooLarge", "too many calls in a batch", { what: "batchCalls", limit: LIMITS.batchCalls });
  }
  const elements = value.map((element) => readElement(element, counted));
  return { isBatch: true, elements, valueBytes: bytesOf(counted) };
}

function nothing(): Counted {
  return { valueBytes: 0, newKeys: 0, known: undefined };
}

function bytesOf({ valueBytes, newKeys }: Counted): number {
  return valueBytes + Math.max(0, newKeys - SHARED_KEYS) * NEW_KEY_BYTES;
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
  counted: Counted = nothing(),
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
  const isArray = Array.isArray(value);
  if (!isArray) {
    counted.newKeys += newKeysOf(value, counted);
  }
  for (const item of isArray ? value : Object.values(value)) {
    const excess = excessOf(item, levels - 1, counted);
    if (excess !== undefined) {
      return excess;
    }
  }
  return undefined;
}

/**
 * How many keys of an object no object before has after the same keys. Ordinary messages are of a few shapes, which are
 * found again; a client may as well give every object a shape of its own.
 */
function newKeysOf(value: object, counted: Counted): number {
  const keys = Object.keys(value);
  const [first] = keys;
  // Numbers come first, and are in a table of each object's own.
  if (first === undefined || (first >= "0" && first < ":")) {
    return keys.length;
  }
  let before: KnownKey | undefined;
  let found = 0;
  for (const key of keys) {
    const nearby: KnownKey | undefined = before === undefined ? counted.known : before.after;
    let known = nearby;
    let looked = 0;
    while (known !== undefined && known.key !== key) {
      known = known.sibling;
      looked += 1;
    }
    if (known !== undefined) {
      found += 1;
    } else if (looked < KNOWN_KEYS) {
      known = { key, sibling: nearby, after: undefined };
      if (before === undefined) {
        counted.known = known;
      } else {
        before.after = known;
      }
    } else {
      break;
    }
    before = known;
  }
  return keys.length - found;
}
