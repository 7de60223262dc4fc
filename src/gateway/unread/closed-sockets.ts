import { LIMITS } from "../../../rpc/index.ts";

/**
 * The sockets of a gateway to which the server has sent its Close and whose peers are still there, as far as these have not
 * read what was sent before: the runtime keeps that for them, and does not tell. A gateway does not hibernate meanwhile, as
 * sending is not done (measured on workerd 1.20261117).
 */
export class ClosedSockets {
  readonly #kept = new Map<WebSocket, { readonly bytes: number; readonly closedAt: number }>();

  /** Notes one that is being closed. @param bytes What was unread. */
  add(ws: WebSocket, bytes: number): void {
    if (bytes > 0) {
      this.#kept.set(ws, { bytes, closedAt: Date.now() });
    }
  }

  /** Its peer is gone. @returns Whether it kept something. */
  forget(ws: WebSocket): boolean {
    return this.#kept.delete(ws);
  }

  /** What they keep. */
  get bytes(): number {
    let bytes = 0;
    this.#kept.forEach((kept) => (bytes += kept.bytes));
    return bytes;
  }

  /** Since when they keep more than what a single socket may have unread of messages; Infinity while they do not. */
  get muchSince(): number {
    let bytes = 0;
    // In the order in which they were closed.
    for (const kept of this.#kept.values()) {
      bytes += kept.bytes;
      if (bytes > LIMITS.outgoingPauseBytes) {
        return kept.closedAt;
      }
    }
    return Infinity;
  }
}
