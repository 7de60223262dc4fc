import { DurableStreamError } from "../error.ts";

/**
 * What is read is not that version of the object any more.
 *
 * @param data Of the error that says so: its `etag`, if it has one, is that of the object now.
 */
export function changed(data: object): DurableStreamError {
  return new DurableStreamError(
    "Conflict",
    "the object is another by now",
    "etag" in data && typeof data.etag === "string" ? { data: { etag: data.etag } } : {},
  );
}

/** A param that the server would not take, where it is found out before. */
export function invalid(path: string, reason: string, cause?: unknown): DurableStreamError {
  return new DurableStreamError("InvalidParams", reason, { data: { issues: [{ path, reason }] }, cause });
}
