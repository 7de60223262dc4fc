import { RpcError } from "../../rpc/index.ts";

/** What was published and not yet forgotten: messages × 1,000, as of a time. It decays by the rate in every millisecond. */
export type Owed = { owed: number; atMs: number };

/**
 * How many messages a caller may publish in a second: a token bucket that holds what one second allows. A batch of more
 * than that waits until the bucket is full, and what is too much is paid off before the next publish.
 */
export class PublishRate {
  readonly #perSecond: number;
  readonly #state: Owed;
  #isCounted = false;

  /** @param state Changed in place: whoever keeps it goes on with it. */
  constructor(perSecond: number, state: Owed) {
    this.#perSecond = perSecond;
    this.#state = state;
  }

  /** Whether messages were counted since this was asked last: then the state is to be kept. */
  takeCounted(): boolean {
    const isCounted = this.#isCounted;
    this.#isCounted = false;
    return isCounted;
  }

  /** Counts messages. @returns RateLimited when they are too many now: then they are not counted. */
  take(messages: number): RpcError | undefined {
    const limit = this.#perSecond;
    const nowMs = Date.now();
    // The clock may go back.
    const passedMs = Math.max(0, nowMs - this.#state.atMs);
    const owed = Math.max(0, this.#state.owed - passedMs * limit);
    this.#state.owed = owed;
    this.#state.atMs = nowMs;
    const excess = owed + Math.min(messages, limit) * 1_000 - limit * 1_000;
    if (excess > 0) {
      // Not the limit, which may be a claim of a token.
      const data = { retryAfterMs: Math.ceil(excess / limit) };
      return new RpcError("RateLimited", "too many messages in a second for these credentials", data);
    }
    this.#state.owed = owed + messages * 1_000;
    this.#isCounted = true;
    return undefined;
  }
}
