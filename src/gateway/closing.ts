/** Codes this service closes sockets with, beside those of RFC 6455 section 7.4.1. */
export const CloseCode = {
  Normal: 1000,
  UnsupportedData: 1003,
  TooBig: 1009,
  InternalError: 1011,
  Idle: 4408,
  SlowReader: 4413,
} as const;

/** RFC 6455 section 7.4.1: these say how a socket ended and may not be sent. */
const UNSENDABLE = new Set([1005, 1006, 1015]);

/** Closes a socket that may be closed already. */
export function closeQuietly(ws: WebSocket, code: number, reason: string): void {
  try {
    ws.close(UNSENDABLE.has(code) ? CloseCode.Normal : code, reason);
  } catch {
    // Safe: it is closed, which is what was wanted.
  }
}
