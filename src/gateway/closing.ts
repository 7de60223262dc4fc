import { CloseCode } from "../../rpc/index.ts";

/** What the runtime reports for a Close without a code (RFC 6455 section 7.1.5); it may not be sent. */
const NO_CODE = 1005;

/** 1012 is "service restart" in IANA's registry of close codes; the others are of RFC 6455 section 7.4.1. */
const LEAVING: ReadonlySet<number> = new Set([CloseCode.Normal, 1001, NO_CODE, 1012]);

/** Whether a peer that closed with this code left in order: others tell of a failure, and 1006 that no Close came. */
export function isLeaving(code: number): boolean {
  return LEAVING.has(code);
}

/**
 * Answers a peer's Close with its own code and reason (RFC 6455 section 5.5.1). A code that none may send, or a reason
 * that fits no Close frame, is answered with ProtocolError: the runtime refuses to send such a one back.
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
    // Safe: it is closed, which is what was wanted.
  }
}
