import { LIMITS } from "../../rpc/index.ts";

/** A frame's place among those of its socket that publish. */
export type Turn = {
  /** Fulfilled once the frames before have begun all their publishes; undefined when they have already. */
  readonly before: Promise<void> | undefined;
  /** To be called as each of the frame's publishes has begun. */
  begun(): void;
};

/**
 * The calls of one socket: how many are in flight, and the order of those that publish. A frame's publishes begin as
 * it is read, but for those in a batch that stand behind something else: they begin when that is answered, and later
 * frames wait for them.
 */
export class CallFlow {
  #inFlight = 0;
  #last: Promise<void> | undefined;

  /** Counts a call as in flight; false when there are too many. */
  enter(): boolean {
    if (this.#inFlight >= LIMITS.requestsInFlight) {
      return false;
    }
    this.#inFlight += 1;
    return true;
  }

  /** A call is answered. */
  leave(): void {
    this.#inFlight -= 1;
  }

  /** Gives a frame its turn; one that publishes nothing needs none. */
  turnFor(publishes: number): Turn | undefined {
    if (publishes === 0) {
      return undefined;
    }
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    let left = publishes;
    const begun = () => {
      left -= 1;
      if (left === 0) {
        resolve();
        if (this.#last === promise) {
          this.#last = undefined;
        }
      }
    };
    return { before, begun };
  }
}
