import { CloseCode } from "../../rpc/index.ts";

/** What the runtime reports for a Close without a code (RFC 6455 section 7.1.5); it may not be sent. */
const NO_CODE = 1005;

/** 1012 is "service restart" in IANA's registry of close codes; the others are of RFC 6455 section 7.4.1. */
const LEAVING: ReadonlySet<number> = new Set([CloseCode.Normal, 1001, NO_CODE, 1012]);

/** The codes of the server by which it closes a socket whose client has not failed. */
const NOT_BY_CLIENT: ReadonlySet<number> = new Set([CloseCode.InternalError, CloseCode.Unauthenticated]);

/** Whether the server closes with this code for what the client did, or did not. */
export function isByClient(code: CloseCode): boolean {
  return !NOT_BY_CLIENT.has(code);
}

/** Whether a peer that closed with this code left in order. Other codes tell of a failure; 1006 means that no Close came. */
export function isLeaving(code: number): boolean {
  return LEAVING.has(code);
}

/**
 * Answers a peer's Close with its own code and reason (RFC 6455 section 5.5.1). A code that may not be sent, or
 * a reason that fits no Close frame, is answered with ProtocolError, as the runtime refuses to send it.
 */
export function answerClose(ws: WebSocket, code: number, reason: string): void {
  try {
    ws.close(code === NO_CODE ? CloseCode.Normal : code, reason);
  } catch {
    closeQuietly(ws, CloseCode.ProtocolError, "");
  }
}

/** Closes a socket that may be closed already. */
export function closeQuietly(ws: WebSocket, code: CloseCode, reason: string): void {
  try {
    ws.close(code, reason);
  } catch {
    // Safe: it is closed already, as was wanted.
  }
}
