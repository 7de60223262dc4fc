import type { DurableStreamError } from "./error.ts";

/** Errors after which the same request may succeed. */
const RETRYABLE: ReadonlySet<string> = new Set(["OutcomeUnknown", "Unavailable", "Busy", "RateLimited"]);

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Whether the same request may succeed later. Only requests that are safe to repeat may follow OutcomeUnknown. */
export function isRetryable(error: DurableStreamError): boolean {
  return RETRYABLE.has(error.name);
}

/** Milliseconds before the next attempt: the error's `retryAfterMs`, or else {@link backoffMs}. */
export function pauseMs(error: DurableStreamError, failures: number): number {
  const asked: unknown = Reflect.get(error.data, "retryAfterMs");
  return typeof asked === "number" ? asked : backoffMs(failures);
}

/** Milliseconds with full jitter, up to a bound of 200 ms that doubles with each failure after the first, up to 5 s. */
export function backoffMs(failures: number): number {
  return Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
}
