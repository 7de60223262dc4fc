import { LIMITS, RpcError } from "../../rpc/index.ts";

/** How many bytes of publishes wait in one gateway, of all its sockets: at most `LIMITS.publishQueueBytes`. */
export class PublishBudget {
  #waitingBytes = 0;

  /** Counts bytes as waiting; false when there would be too many, and then they are not counted. */
  take(bytes: number): boolean {
    if (this.#waitingBytes + bytes > LIMITS.publishQueueBytes) {
      return false;
    }
    this.#waitingBytes += bytes;
    return true;
  }

  /** Bytes that were taken wait no more. */
  release(bytes: number): void {
    this.#waitingBytes -= bytes;
  }
}

/** What is said of a publish for which the budget has no room. */
export function queueFullError(): RpcError {
  return new RpcError("Busy", "this gateway has too much to publish", {
    what: "publishQueueBytes",
    limit: LIMITS.publishQueueBytes,
  });
}
