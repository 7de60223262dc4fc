import { DurableStreamError } from "../error.ts";

/**
 * Conflict: the object was replaced while it was read.
 *
 * @param data Facts of the error behind it; their `etag`, if any, is that of the object now.
 */
export function changed(data: object): DurableStreamError {
  return new DurableStreamError(
    "Conflict",
    "the object is another by now",
    "etag" in data && typeof data.etag === "string" ? { data: { etag: data.etag } } : {},
  );
}

/** InvalidParams for a param that the server would refuse, thrown before anything is sent. */
export function invalid(path: string, reason: string, cause?: unknown): DurableStreamError {
  return new DurableStreamError("InvalidParams", reason, { data: { issues: [{ path, reason }] }, cause });
}
