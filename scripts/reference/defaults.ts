import { CONSUMER_DEFAULTS, openRpcDocument, STREAM_DEFAULTS } from "../../rpc/index.ts";

import { code } from "./markdown.ts";

const { methods, components } = openRpcDocument("");

/** What a field that is left out stays, and `null` makes it, of the methods that change a config. */
const RESETS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  configureStream: { maxAgeMs: null, maxMessages: null, maxBytes: null, ...STREAM_DEFAULTS },
  updateConsumer: { filter: null, ...CONSUMER_DEFAULTS },
};

/** Of fields within params, and of schemas that are referred to, where the OpenRPC document has no place for a default. */
const ELSEWHERE: Readonly<Record<string, unknown>> = {
  "producer.epoch": 0,
  reason: "term",
  contentType: "application/octet-stream",
};

/** What a param of a method is when it is left out, as the OpenRPC document says; empty when it is nothing. */
export function defaultOf(method: string, param: string): string {
  const resets = RESETS[method];
  if (resets !== undefined && param in resets) {
    const value = resets[param] ?? null;
    return `as it is; ${code("null")}: ${value === null ? "none" : valueText(value)}`;
  }
  const schema = methods.find(({ name }) => name === method)?.params.find(({ name }) => name === param)?.schema;
  const named = /\w+$/.exec(schema?.$ref ?? "")?.[0] ?? "";
  return valueText(schema?.default ?? components.schemas[named]?.default ?? ELSEWHERE[param]);
}

/** A default as it stands in a cell; empty for none. */
export function valueText(value: unknown): string {
  if (value === undefined) {
    return "";
  }
  return typeof value === "number" ? value.toLocaleString("en-US") : code(JSON.stringify(value));
}
