import type { DurableStreamError } from "./error.ts";

/** Errors after which the same request may well succeed. */
const RETRYABLE: ReadonlySet<string> = new Set(["OutcomeUnknown", "Unavailable", "Busy", "RateLimited"]);

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Tells whether the same request may succeed later. A publish is safe to repeat because of its id. */
export function isRetryable(error: DurableStreamError): boolean {
  return RETRYABLE.has(error.name);
}

/** How long to wait before a repetition: what the server asks for, or full jitter up to a bound that doubles. */
export function pauseMs(error: DurableStreamError, failures: number): number {
  const asked: unknown = Reflect.get(error.data, "retryAfterMs");
  return typeof asked === "number" ? asked : backoffMs(failures);
}

/** Full jitter up to a bound that doubles with each failure. */
export function backoffMs(failures: number): number {
  return Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
}
