import { ErrorCode, isRpcError, RpcError } from "../../rpc/index.ts";

/** Errors after which a client sends the same publish again: until then the ones after it must not be stored. */
const REPEATED: ReadonlySet<number> = new Set([
  ErrorCode.Busy,
  ErrorCode.RateLimited,
  ErrorCode.Unavailable,
  ErrorCode.OutcomeUnknown,
]);

/** The unanswered publishes of one caller to one stream: how many, the number of the last, and the first to repeat. */
type Lane = { open: number; last: number; heldFrom: number };

/** The place of one publish in its caller's lane to the stream, from when it came until it is answered. */
export class PublishPlace {
  readonly #lane: Lane;
  readonly #order: number;
  readonly #onEmpty: () => void;

  constructor(lane: Lane, onEmpty: () => void) {
    lane.open += 1;
    lane.last += 1;
    this.#lane = lane;
    this.#order = lane.last;
    this.#onEmpty = onEmpty;
  }

  /** The same object for all publishes of a caller to a stream. */
  get lane(): object {
    return this.#lane;
  }

  /** Whether one before it has to be sent again. Then this one must not be stored. */
  get isHeld(): boolean {
    return this.#order > this.#lane.heldFrom;
  }

  /** This one has to be sent again: those after it are held. */
  hold(): void {
    this.#lane.heldFrom = Math.min(this.#lane.heldFrom, this.#order);
  }

  /** Holds those after it, if this is an error after which it is sent again. */
  failed(error: unknown): void {
    if (isRpcError(error) && REPEATED.has(error.code)) {
      this.hold();
    }
  }

  /** Whether it has to be sent again, for its own error or because of one before it. */
  get isToRepeat(): boolean {
    return this.#order >= this.#lane.heldFrom;
  }

  /** The publish is answered. */
  leave(): void {
    this.#lane.open -= 1;
    if (this.#lane.open === 0) {
      this.#onEmpty();
    }
  }
}

/**
 * Keeps the order of one caller's publishes to each stream when one of them is refused for a time. Those that came after
 * it are refused too, until none of them is unanswered: the caller sends all of them again, in its order.
 */
export class PublishOrder {
  readonly #lanes = new Map<string, Lane>();

  /** The next place in the lane to a stream. Every place has to be left. */
  enter(stream: string): PublishPlace {
    const lane = this.#lanes.get(stream) ?? { open: 0, last: 0, heldFrom: Number.POSITIVE_INFINITY };
    this.#lanes.set(stream, lane);
    return new PublishPlace(lane, () => this.#lanes.delete(stream));
  }
}

/** The error of a publish after one that has to be sent again. */
export function heldError(): RpcError {
  return new RpcError("Unavailable", "a publish before it has to be sent again; this one was not stored");
}
