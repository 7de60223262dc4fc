import { DurableStreamError, isErrorData } from "./client/error.ts";
import { errorNameOf } from "./protocol/errors.ts";
import type { ErrorData } from "./protocol/errors.ts";

/** Parses what {@link bindingMessage} makes. */
const CARRIED = /^(.*?) \[(-\d+)(?: (\{.*\}))?\]$/s;

/**
 * The message of an error that crosses a service binding, with code and data at its end, as in
 * `the last sequence is another [-32004 {"lastSequence":7}]`. Within one runtime an error keeps its properties; between two
 * processes of `wrangler dev` only its message arrives.
 */
export function bindingMessage(message: string, code: number, data: ErrorData | undefined): string {
  // A message quotes what callers say, which must not pass for the code.
  const text = message.replaceAll(" [-", " (-");
  return data === undefined ? `${text} [${code}]` : `${text} [${code} ${JSON.stringify(data)}]`;
}

/**
 * Turns what a call of a service binding rejected with into an error of the contract, in production and in `wrangler dev`.
 *
 * ```ts
 * catch (error) {
 *   if (bindingError(error)?.name === "Conflict") …
 * }
 * ```
 *
 * @returns Undefined for any other error, such as that of the runtime when the call did not reach the other Worker or got
 * no answer. Whether such a call was done is unknown.
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
    // Safe: the message only looks like one with data, so there is none.
    return undefined;
  }
}
