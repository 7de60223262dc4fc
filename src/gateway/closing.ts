/** Codes this service closes sockets with, beside those of RFC 6455 section 7.4.1. */
export const CloseCode = {
  Normal: 1000,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  TooBig: 1009,
  InternalError: 1011,
  Unauthenticated: 4401,
  Idle: 4408,
  SlowReader: 4413,
  /** No key is configured: 503 in HTTP. */
  Unconfigured: 4503,
} as const;

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** What the runtime reports for a Close without a code (RFC 6455 section 7.1.5); it may not be sent. */
const NO_CODE = 1005;

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
