import { LIMITS } from "../../rpc/index.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import type { PublishBudget } from "../publishing/publish-budget.ts";

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
 * of later frames wait for them. Frames that wait are held in memory, so their text is bounded.
 */
export class CallFlow {
  readonly #budget: PublishBudget;
  #inFlight = 0;
  #last: Promise<void> | undefined;

  /** @param budget Bounds the text of the frames that wait for their turn, of all sockets of a gateway. */
  constructor(budget: PublishBudget) {
    this.#budget = budget;
  }

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

  /**
   * Gives a frame its turn.
   *
   * @returns Undefined for a frame without publishes; `full` for one that would have to wait, while too much waits
   *   already.
   */
  turnFor(publishes: number, text: string): Turn | "full" | undefined {
    if (publishes === 0) {
      return undefined;
    }
    const waitingBytes = this.#last === undefined ? 0 : utf8Bytes(text);
    if (!this.#budget.take(waitingBytes)) {
      return "full";
    }
    const before = this.#last?.then(() => this.#budget.release(waitingBytes));
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
