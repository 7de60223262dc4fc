import { ErrorCode, RpcError } from "../../rpc/index.ts";

/** Errors after which a client sends the same publish again: until then the ones after it must not be stored. */
const REPEATED: ReadonlySet<number> = new Set([
  ErrorCode.Busy,
  ErrorCode.RateLimited,
  ErrorCode.Unavailable,
  ErrorCode.OutcomeUnknown,
]);

/**
 * The unanswered publishes of one caller to one stream, numbered in the order in which they came. When one is to be sent
 * again, those with a higher number are held: they must not be stored before it.
 */
export class PublishLane {
  readonly #onEmpty: () => void;
  #open = 0;
  #last = 0;
  #heldFrom = Number.POSITIVE_INFINITY;

  /** @param onEmpty Called when none of its publishes is unanswered any more. */
  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  /** Takes a number for a publish that has come. It has to leave. */
  enter(): number {
    this.#open += 1;
    this.#last += 1;
    return this.#last;
  }

  /** Whether one before this one has to be sent again. Then this one must not be stored. */
  isHeld(order: number): boolean {
    return order > this.#heldFrom;
  }

  /** This one has to be sent again: those after it are held. */
  hold(order: number): void {
    this.#heldFrom = Math.min(this.#heldFrom, order);
  }

  /** Holds those after this one, if this is an error after which it is sent again. */
  failed(order: number, error: RpcError): void {
    if (REPEATED.has(error.code)) {
      this.hold(order);
    }
  }

  /** Whether this one has to be sent again, for its own error or because of one before it. */
  isToRepeat(order: number): boolean {
    return order >= this.#heldFrom;
  }

  /** A publish is answered. */
  leave(): void {
    this.#open -= 1;
    if (this.#open === 0) {
      this.#onEmpty();
    }
  }
}

/**
 * Keeps the order of one caller's publishes to each stream when one of them is refused for a time. Those that came after
 * it are refused too, until none of them is unanswered: the caller sends all of them again, in its order.
 */
export class PublishOrder {
  readonly #lanes = new Map<string, PublishLane>();

  /** The lane to a stream. One in which nothing is unanswered is forgotten: use it at once. */
  lane(stream: string): PublishLane {
    let lane = this.#lanes.get(stream);
    if (lane === undefined) {
      lane = new PublishLane(() => this.#lanes.delete(stream));
      this.#lanes.set(stream, lane);
    }
    return lane;
  }
}

/** The error of a publish after one that has to be sent again. */
export function heldError(): RpcError {
  return new RpcError("Unavailable", "a publish before it has to be sent again; this one was not stored");
}
