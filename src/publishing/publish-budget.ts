import { LIMITS, RpcError } from "../../rpc/index.ts";
import { Share } from "../platform/isolate-budget.ts";

/**
 * How many bytes of publishes wait in one gateway, of all its sockets: at most `LIMITS.publishQueueBytes`. They count in
 * what the isolate holds.
 */
export class PublishBudget {
  readonly #share: Share;
  #waitingBytes = 0;

  /** @param share Of the gateway in what the isolate holds. */
  constructor(share: Share = new Share()) {
    this.#share = share;
  }

  /** Counts bytes as waiting; false when there would be too many, and then they are not counted. */
  take(bytes: number): boolean {
    if (this.#waitingBytes + bytes > LIMITS.publishQueueBytes || !this.#share.take(bytes)) {
      return false;
    }
    this.#waitingBytes += bytes;
    return true;
  }

  /** Bytes that were taken wait no more. */
  release(bytes: number): void {
    this.#waitingBytes -= bytes;
    this.#share.release(bytes);
  }
}

/** What is said of a publish for which the budget has no room. Made once, as many may be refused at once. */
export const QUEUE_FULL = new RpcError("Busy", "this gateway has too much to publish", {
  what: "publishQueueBytes",
  limit: LIMITS.publishQueueBytes,
});
