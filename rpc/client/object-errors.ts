import type { ErrorData } from "../errors.ts";

import { DurableStreamError } from "./error.ts";

/** What is read is not that version of the object any more. */
export function changed(data: ErrorData | undefined): DurableStreamError {
  return new DurableStreamError(
    "Conflict",
    "the object is another by now",
    data?.["etag"] === undefined ? {} : { data: { etag: data["etag"] } },
  );
}

/** A param that the server would not take, where it is found out before. */
export function invalid(path: string, reason: string, cause?: unknown): DurableStreamError {
  return new DurableStreamError("InvalidParams", reason, { data: { issues: [{ path, reason }] }, cause });
}
