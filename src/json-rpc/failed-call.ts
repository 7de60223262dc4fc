import { errorNameOf, isMethodName } from "../../rpc/index.ts";
import { reportError } from "../platform/error-response.ts";
import type { ErrorObject } from "../platform/error-response.ts";
import { logNotice } from "../platform/log.ts";
import { areFailedCallsLogged } from "../platform/settings.ts";

/** A call as its client wrote it. Nothing of it is checked. */
type UncheckedCall = { readonly method?: string; readonly params?: unknown };

/** The stream that a call names, or else that of `/stream/<name>`. */
export function streamNamed({ params }: UncheckedCall, defaultStream?: string): string | undefined {
  return typeof params === "object" && params !== null && "stream" in params && typeof params.stream === "string"
    ? params.stream
    : defaultStream;
}

/** What the client of a call that failed is told; see {@link reportError} and {@link logFailedCall} for what is logged. */
export function reportFailed(call: UncheckedCall, error: unknown, defaultStream?: string): ErrorObject {
  const reported = reportError(error);
  logFailedCall(call, reported, defaultStream);
  return reported;
}

/**
 * Logs a call that failed in one line: its method, its stream, and the error that its client was told, where
 * `LOG_FAILED_CALLS` says so. Of params that do not fit only the paths are told, for the reasons quote them.
 */
export function logFailedCall(call: UncheckedCall, error: ErrorObject, defaultStream?: string): void {
  if (!areFailedCallsLogged()) {
    return;
  }
  const { method = "" } = call;
  const stream = streamNamed(call, defaultStream);
  // What a client may write at will would be any number of kinds.
  const kind = `${isMethodName(method) ? method : ""} ${error.code}`;
  logNotice("a call failed", kind, { method, ...(stream === undefined ? {} : { stream }), ...reasonOf(error) });
}

function reasonOf({ code, message, data }: ErrorObject): Record<string, string> {
  const name = errorNameOf(code) ?? String(code);
  const issues = data?.["issues"];
  if (Array.isArray(issues)) {
    return { error: name, at: issues.map(({ path }: { path: string }) => (path === "" ? "params" : path)).join(", ") };
  }
  const requestId = data?.["requestId"];
  return { error: `${name}: ${message}`, ...(typeof requestId === "string" ? { requestId } : {}) };
}
