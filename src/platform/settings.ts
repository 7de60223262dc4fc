import { LIMITS } from "../../rpc/index.ts";

/**
 * What a stream without a `maxBytes` of its own may hold, as the server is configured: never above what any stream
 * may, and the contract's default when the variable is missing or no number.
 */
export function streamBytesOf({ MAX_STREAM_BYTES }: { readonly MAX_STREAM_BYTES?: string }): number {
  const configured = MAX_STREAM_BYTES?.trim() ? Number(MAX_STREAM_BYTES) : Number.NaN;
  return Number.isNaN(configured) ? LIMITS.streamBytes : Math.min(configured, LIMITS.streamMaxBytes);
}
