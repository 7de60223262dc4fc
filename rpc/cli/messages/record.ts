import type { Message } from "../../index.ts";
import { usage } from "../failure.ts";
import type { Line } from "../input.ts";
import { jsonOf } from "../input.ts";

/** A message of an export. */
export type MessageRecord = Message;

/** A line of an export: a message, or at its end how far the sequences of the stream go. */
export type ExportRecord = MessageRecord | { readonly lastSequence: number };

/** A line of an export. @throws Failure When it is none. */
export function recordOf({ text, number }: Line, what = `line ${number}`): ExportRecord {
  const record = jsonOf(text, what);
  if (!isRecord(record)) {
    throw usage(`${what} is no message of an export: {"sequence":1,"publishedAt":…,"data":…}`);
  }
  return record;
}

function isRecord(value: unknown): value is ExportRecord {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  return "sequence" in value
    ? isSequence(value.sequence) && "data" in value
    : isSequence(Reflect.get(value, "lastSequence"));
}

function isSequence(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}
