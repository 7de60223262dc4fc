import { NAK_DELAY_MS, TERM_REASON_CHARACTERS } from "../../protocol/protocol.ts";

import { DurableStreamError } from "../error.ts";

// nak and term are notifications: the server refuses them without an answer. So their params are checked before they are
// sent. The checks are written by hand, because the schemas and valibot are a third of the client's size; a test compares
// the two.

/** @throws DurableStreamError InvalidParams unless it is a `delayMs` that the contract takes, or undefined. */
export function checkDelay(delayMs: unknown): void {
  const { least, most } = NAK_DELAY_MS;
  const isValid = Number.isSafeInteger(delayMs) && Number(delayMs) >= least && Number(delayMs) <= most;
  check(delayMs, isValid, "delayMs", `must be whole milliseconds from ${least} to ${most}`);
}

/** @throws DurableStreamError InvalidParams unless it is a `reason` that the contract takes, or undefined. */
export function checkReason(reason: unknown): void {
  const { least, most } = TERM_REASON_CHARACTERS;
  const isValid =
    typeof reason === "string" && reason.length >= least && reason.length <= most && !LONE_SURROGATE.test(reason);
  check(reason, isValid, "reason", `must be well-formed text of ${least} to ${most} characters`);
}

/** The reason of a term, of an error whose message may be any text. */
export function reasonOf({ message }: Error): string {
  return message.slice(0, TERM_REASON_CHARACTERS.most).replaceAll(LONE_SURROGATES, "\ufffd") || "refused";
}

/** A lone surrogate has no UTF-8: it would arrive as U+FFFD. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

function check(value: unknown, isValid: boolean, path: string, reason: string): void {
  if (value !== undefined && !isValid) {
    throw new DurableStreamError("InvalidParams", `${path} ${reason}`, { data: { issues: [{ path, reason }] } });
  }
}
