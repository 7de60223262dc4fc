import { ErrorCode, isRpcError } from "../../rpc/index.ts";
import type { ErrorData } from "../../rpc/index.ts";

import { logError } from "./log.ts";

/** What an error says to a client. */
export type ErrorObject = { code: number; message: string; data?: ErrorData | undefined };

/** Headers of every response whose body is JSON-RPC. */
export const JSON_HEADERS = { "Content-Type": "application/json", "Cache-Control": "no-store" } as const;

/**
 * What a client is told of an error. A fault of the server is logged: the client learns only the request id to find it
 * by.
 */
export function reportError(error: unknown): ErrorObject {
  if (isRpcError(error)) {
    const { code, message, data } = error;
    return { code, message, data };
  }
  const requestId = logError("a request failed", error);
  return { code: ErrorCode.InternalError, message: "internal error", data: { requestId } };
}

/** A JSON-RPC error response as text; `id` is null where the request has none. */
export function errorText(id: string | number | null, { code, message, data }: ErrorObject): string {
  return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } });
}

/** An HTTP response whose body is the JSON-RPC error response; see {@link reportError} for what is told and logged. */
export function errorResponse(status: number, error: unknown, headers: Record<string, string> = {}): Response {
  return new Response(errorText(null, reportError(error)), { status, headers: { ...JSON_HEADERS, ...headers } });
}
