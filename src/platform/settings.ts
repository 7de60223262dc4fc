import { env } from "cloudflare:workers";

import { LIMITS } from "../../rpc/index.ts";

/** Six hours: letting go of such a peer costs every client of its gateway a reconnect. */
const UNANSWERED_MS = 21_600_000;

/** The waits that a binding may change. Only tests set one, so they are not in wrangler.toml. */
export type Wait =
  | "REQUEST_DEADLINE_MS"
  | "CLOSE_MS"
  | "UNANSWERED_MS"
  | "PUSH_CHECK_MS"
  | "ROOM_WAIT_MS"
  | "ALARM_LOST_MS"
  | "LOG_WINDOW_MS"
  | "TOKEN_KEYS_FETCH_MS"
  | "TOKEN_KEYS_FIRST_PAUSE_MS"
  | "TOKEN_KEYS_PAUSE_MS"
  | "TOKEN_KEYS_MAX_AGE_MS";

/**
 * The configured `maxBytes` of a stream that sets none, in bytes: at most `LIMITS.streamMaxBytes`, and
 * `LIMITS.streamBytes` when the variable is missing or not a number.
 */
export function streamBytesOf({ MAX_STREAM_BYTES }: { readonly MAX_STREAM_BYTES?: string }): number {
  const configured = MAX_STREAM_BYTES?.trim() ? Number(MAX_STREAM_BYTES) : Number.NaN;
  return Number.isNaN(configured) ? LIMITS.streamBytes : Math.min(configured, LIMITS.streamMaxBytes);
}

/** How long to wait, in milliseconds: as long as given, unless a test has set the binding of that name. */
export function waitMs(name: Wait, ms: number): number {
  const shortened: unknown = Reflect.get(env, name);
  return typeof shortened === "string" ? Number(shortened) : ms;
}

/** How long a request may take before it is answered without its outcome. */
export function requestDeadlineMs(): number {
  return waitMs("REQUEST_DEADLINE_MS", LIMITS.requestDeadlineMs);
}

/** How long a peer may take to answer a Close. */
export function closeMs(): number {
  return waitMs("CLOSE_MS", LIMITS.closeMs);
}

/** How long a peer that does not answer a Close may keep its connection beside open sockets of its gateway. */
export function unansweredMs(): number {
  return waitMs("UNANSWERED_MS", UNANSWERED_MS);
}

/** Whether calls that failed are logged, as on a server for development. Each line of a deployed Worker is billed. */
export function areFailedCallsLogged(): boolean {
  return env.LOG_FAILED_CALLS === "true";
}

/** Whether what a socket has buffered is taken from the runtime. Only tests say no, to have the other bound alone. */
export function isBufferTold(): boolean {
  return Reflect.get(env, "BUFFERED_AMOUNT") !== "untold";
}

/** Whether a client has to ack its first messages where the runtime tells too. Only tests say no, to have what it tells alone. */
export function areFirstAcksAwaited(): boolean {
  return Reflect.get(env, "BUFFERED_AMOUNT") !== "alone";
}
