import { DurableStreamError } from "./client/error.ts";
import { errorNameOf } from "./errors.ts";
import type { ErrorData } from "./errors.ts";

/** What stands behind a message, as {@link bindingMessage} puts it there. */
const CARRIED = /^(.*?) \[(-\d+)(?: (\{.*\}))?\]$/s;

/**
 * The message of an error that crosses a service binding: its code and data stand at the end, as in
 * `the last sequence is another [-32004 {"lastSequence":7}]`. Between two Workers of one runtime an error keeps its own
 * properties; between two processes of `wrangler dev` nothing of it arrives but its message.
 */
export function bindingMessage(message: string, code: number, data: ErrorData | undefined): string {
  return data === undefined ? `${message} [${code}]` : `${message} [${code} ${JSON.stringify(data)}]`;
}

/**
 * What a call of a service binding was rejected with, as an error of the contract, wherever the two Workers run.
 *
 * ```ts
 * catch (error) {
 *   if (bindingError(error)?.name === "Conflict") …
 * }
 * ```
 *
 * @returns Undefined for what is none: a call that did not reach the other Worker, or got no answer of it, throws what
 * the runtime has for that. Whether such a call was done is not known.
 */
export function bindingError(thrown: unknown): DurableStreamError | undefined {
  if (!(thrown instanceof Error)) {
    return undefined;
  }
  const [, text = thrown.message, digits, json] = CARRIED.exec(thrown.message) ?? [];
  const code = "code" in thrown ? thrown.code : Number(digits);
  const name = typeof code === "number" ? errorNameOf(code) : undefined;
  const data = "data" in thrown ? thrown.data : parsed(json);
  return name === undefined
    ? undefined
    : new DurableStreamError(name, text, { cause: thrown, ...(isErrorData(data) ? { data } : {}) });
}

function parsed(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    // Safe: an error that says its code in other words has no data that could be read.
    return undefined;
  }
}

function isErrorData(data: unknown): data is ErrorData {
  return typeof data === "object" && data !== null && !Array.isArray(data);
}
