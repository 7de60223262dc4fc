import { env } from "cloudflare:workers";

import { LIMITS } from "../../rpc/index.ts";

/** The bindings that shorten a deadline. Only tests set them, so they are not in wrangler.toml. */
const DEADLINE_BINDINGS = { requestDeadlineMs: "REQUEST_DEADLINE_MS", closeMs: "CLOSE_MS" } as const;

/**
 * What a stream without a `maxBytes` of its own may hold, as the server is configured: never above what any stream
 * may, and the contract's default when the variable is missing or no number.
 */
export function streamBytesOf({ MAX_STREAM_BYTES }: { readonly MAX_STREAM_BYTES?: string }): number {
  const configured = MAX_STREAM_BYTES?.trim() ? Number(MAX_STREAM_BYTES) : Number.NaN;
  return Number.isNaN(configured) ? LIMITS.streamBytes : Math.min(configured, LIMITS.streamMaxBytes);
}

/** A deadline of the contract in milliseconds, or what a test has set in its place. */
export function deadlineMs(name: keyof typeof DEADLINE_BINDINGS): number {
  const shortened: unknown = Reflect.get(env, DEADLINE_BINDINGS[name]);
  return typeof shortened === "string" ? Number(shortened) : LIMITS[name];
}
