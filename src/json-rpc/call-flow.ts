import { LIMITS } from "../../rpc/index.ts";

/** A frame's turn among the frames of its socket that publish. */
export type Turn = {
  /** Resolves when all earlier frames have begun their publishes; undefined when they have already. */
  readonly before: Promise<void> | undefined;
  /** To be called for each publish of the frame when it has begun. */
  begun(): void;
};

/**
 * The calls of one socket: how many are in flight, and the order of its publishes. The publishes of a frame begin when
 * it is read. In a batch they may stand behind another call: then they begin when that is answered, and the publishes
 * of later frames wait for them.
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

  /** Counts a call as answered. */
  leave(): void {
    this.#inFlight -= 1;
  }

  /** Gives a frame its turn; undefined for a frame without publishes. */
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
