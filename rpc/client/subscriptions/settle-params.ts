import { NAK_DELAY_MS, TERM_REASON_CHARACTERS } from "../../protocol.ts";

import { DurableStreamError } from "../error.ts";

// What is sent without an answer is refused without one: so it is held to the contract's schemas before. Written by hand
// within their bounds, as the schemas and what reads them are a third of the client's size; a test compares the two.

/** @throws DurableStreamError InvalidParams for what the contract does not take as the `delayMs` of a nak. */
export function checkDelay(delayMs: unknown): void {
  const { least, most } = NAK_DELAY_MS;
  const isValid = Number.isSafeInteger(delayMs) && Number(delayMs) >= least && Number(delayMs) <= most;
  check(delayMs, isValid, "delayMs", `must be whole milliseconds from ${least} to ${most}`);
}

/** @throws DurableStreamError InvalidParams for what the contract does not take as the `reason` of a term. */
export function checkReason(reason: unknown): void {
  const { least, most } = TERM_REASON_CHARACTERS;
  const isValid =
    typeof reason === "string" && reason.length >= least && reason.length <= most && !LONE_SURROGATE.test(reason);
  check(reason, isValid, "reason", `must be well-formed text of ${least} to ${most} characters`);
}

/** Half a pair has no UTF-8, so that it would arrive as another character. */
const LONE_SURROGATE = /\p{Surrogate}/u;

function check(value: unknown, isValid: boolean, path: string, reason: string): void {
  if (value !== undefined && !isValid) {
    throw new DurableStreamError("InvalidParams", `${path} ${reason}`, { data: { issues: [{ path, reason }] } });
  }
}
