import { LIMITS } from "../../rpc/index.ts";

/**
 * The configured `maxBytes` of a stream that sets none, in bytes: at most `LIMITS.streamMaxBytes`, and
 * `LIMITS.streamBytes` when the variable is missing or not a number.
 */
export function streamBytesOf({ MAX_STREAM_BYTES }: { readonly MAX_STREAM_BYTES?: string }): number {
  const configured = MAX_STREAM_BYTES?.trim() ? Number(MAX_STREAM_BYTES) : Number.NaN;
  return Number.isNaN(configured) ? LIMITS.streamBytes : Math.min(configured, LIMITS.streamMaxBytes);
}
