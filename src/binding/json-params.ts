import { LIMITS, RpcError } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";

import { JsonText } from "../internal/json-text.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import { excessOf } from "../json-rpc/frame.ts";
import { refusalError } from "../platform/refused.ts";

/** How JSON.stringify escapes half of a surrogate pair. A text may contain it for other reasons. */
const HALF_PAIR = "\\ud";

/**
 * The params of a call as JSON has them: RPC brings dates, functions and cycles as well. The `data` of what is published
 * becomes JSON text here, once, and is a {@link JsonText} in the result. Only `data` that may be ill-formed stays a value,
 * so that the check of params finds where.
 *
 * @throws InvalidParams for what JSON can not say, TooLarge beyond the bounds of a frame.
 */
export function jsonParams(method: MethodName, params: unknown): object {
  const texts = messagesOf(method, params).map(dataText);
  const placeholders = texts.map((text) => (text === undefined ? undefined : 0));
  const rest = jsonText(withData(method, params ?? {}, placeholders)) ?? "null";
  const excess = excessOf(params, LIMITS.nesting);
  if (excess !== undefined) {
    throw refusalError(excess);
  }
  // Each text takes the place of its placeholder, which is one character.
  const parts = [rest, ...texts.map((data) => data?.text.slice(1) ?? "")];
  // At most three bytes a unit: most params need no counting.
  const units = parts.reduce((sum, { length }) => sum + length, 0);
  if (units * 3 > LIMITS.frameBytes && utf8Bytes(parts.join("")) > LIMITS.frameBytes) {
    throw new RpcError("TooLarge", "the params are too large", { what: "frameBytes", limit: LIMITS.frameBytes });
  }
  const parsed: unknown = JSON.parse(rest);
  if (!isObject(parsed)) {
    throw notJson("params are an object");
  }
  return withData(method, parsed, texts);
}

/** What a call publishes, valid or not. */
function messagesOf(method: MethodName, params: unknown): unknown[] {
  if (method === "publishBatch" && isObject(params) && "messages" in params && Array.isArray(params.messages)) {
    return params.messages;
  }
  return method === "publish" ? [params] : [];
}

/** The params with these as the data of their messages; where there is none, the message stays as it is. */
function withData(method: MethodName, params: object, data: readonly unknown[]): object {
  const messages = messagesOf(method, params).map((message, index) =>
    data[index] !== undefined && hasData(message) ? { ...message, data: data[index] } : message,
  );
  if (method === "publish") {
    return Object(messages[0]);
  }
  return messages.length === 0 ? params : { ...params, messages };
}

function dataText(message: unknown): JsonText | undefined {
  const text = hasData(message) ? jsonText(message.data) : undefined;
  return text === undefined || text.includes(HALF_PAIR) ? undefined : new JsonText(text);
}

/** @returns Undefined for what JSON leaves out, as a function. */
function jsonText(value: unknown): string | undefined {
  try {
    // Its declared type leaves out that it may be undefined.
    return JSON.stringify(value);
  } catch {
    // A cycle or a bigint, which JSON has not.
    throw notJson("params must be JSON");
  }
}

function hasData(message: unknown): message is { data: unknown } {
  return isObject(message) && "data" in message;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function notJson(reason: string): RpcError {
  return new RpcError("InvalidParams", reason, { issues: [{ path: "", reason }] });
}
