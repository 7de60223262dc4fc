import { ErrorCode, isRpcError, RpcError } from "../../rpc/index.ts";

/** Errors after which the same publish is sent again: until then those behind it must not be stored. */
const REPEATED: ReadonlySet<number> = new Set([
  ErrorCode.Busy,
  ErrorCode.RateLimited,
  ErrorCode.Unavailable,
  ErrorCode.OutcomeUnknown,
]);

/** The publishes of one caller to one stream that have come and are not answered. */
type Lane = { open: number; last: number; heldFrom: number };

/** The place of one publish among those of its caller to its stream, from when it came until it is answered. */
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

  /** Whether one before it has to be sent again: then it must not be stored. */
  get isHeld(): boolean {
    return this.#order > this.#lane.heldFrom;
  }

  /** It has to be sent again: those behind it are held. */
  hold(): void {
    this.#lane.heldFrom = Math.min(this.#lane.heldFrom, this.#order);
  }

  /** Holds those behind it if this is an error after which it is sent again. */
  failed(error: unknown): void {
    if (isRpcError(error) && REPEATED.has(error.code)) {
      this.hold();
    }
  }

  /** Whether it is the one that has to be sent again, or behind that. */
  get isToRepeat(): boolean {
    return this.#order >= this.#lane.heldFrom;
  }

  /** It is answered. */
  leave(): void {
    this.#lane.open -= 1;
    if (this.#lane.open === 0) {
      this.#onEmpty();
    }
  }
}

/**
 * Keeps the order of one caller's publishes to each stream when one of them is not stored for now. Those that have come
 * behind it are refused too, until the caller has none open to that stream: it sends all of them again, in its order.
 */
export class PublishOrder {
  readonly #lanes = new Map<string, Lane>();

  /** The next place among those to a stream; it must be left. */
  enter(stream: string): PublishPlace {
    const lane = this.#lanes.get(stream) ?? { open: 0, last: 0, heldFrom: Number.POSITIVE_INFINITY };
    this.#lanes.set(stream, lane);
    return new PublishPlace(lane, () => this.#lanes.delete(stream));
  }
}

/** What is said of a publish behind one that has to be sent again. */
export function heldError(): RpcError {
  return new RpcError("Unavailable", "a publish before it has to be sent again; this one was not stored");
}
