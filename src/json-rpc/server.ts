import { JSONRPCServer } from "json-rpc-2.0";

import { ALTERNATIVES, isMethodName, LIMITS, METHODS, RpcError } from "../../rpc/index.ts";
import { toJson } from "../internal/json-text.ts";
import type { CallContext } from "../methods/context.ts";
import { errorText, reportError } from "../platform/error-response.ts";

import { dispatch } from "./dispatch.ts";
import { logFailedCall } from "./failed-call.ts";
import type { Call } from "./frame.ts";

// The library gets single, checked requests only; frame.ts does what it does not do strictly by the specification.
const server = new JSONRPCServer<CallContext>({
  errorListener: () => {
    // reportError() maps every error, and logs a fault of the server.
  },
});
for (const method of Object.keys(METHODS).filter(isMethodName)) {
  server.addMethod(method, (params: unknown, context) => dispatch(method, params, context));
}
server.mapErrorToJSONRPCErrorResponse = (id, error: unknown) => ({ jsonrpc: "2.0", id, error: reportError(error) });

/**
 * Runs one request of a method that there is; those of `gathered.ts` do not come here.
 *
 * @returns The response as JSON text; undefined for a notification, also when it failed.
 */
export async function run(call: Call, context: CallContext): Promise<string | undefined> {
  // A notification runs as a request, so that the library maps its error and a fault of the server is logged.
  const response = await (call.id === undefined
    ? server.receive({ ...call, id: null }, { ...context, isNotification: true })
    : server.receive(call, context));
  if (response?.error !== undefined) {
    logFailedCall(call, response.error, context.defaultStream);
  }
  if (response === null || call.id === undefined) {
    return undefined;
  }
  return response.error === undefined
    ? resultText(call.id, toJson(response.result))
    : errorText(call.id, response.error);
}

/** The response of a call that succeeded. @param result JSON text. */
export function resultText(id: string | number | null, result: string): string {
  // A number, which a frame may only hold where it is finite, is written as JSON writes it.
  return `{"jsonrpc":"2.0","id":${typeof id === "string" ? JSON.stringify(id) : id},"result":${result}}`;
}

/** The error for a frame or body that is too large to be read. */
export function frameTooLarge(): RpcError {
  const data = { what: "frameBytes", limit: LIMITS.frameBytes, use: ALTERNATIVES.frame };
  return new RpcError("TooLarge", "the frame or body is too large", data);
}
