import { LIMITS } from "../../../rpc/index.ts";

import type { ConsumerCursor } from "./cursor/cursor.ts";

/** One subscription among those that share a consumer. */
export class Subscriber {
  /** Its name at the consumer's cursor. */
  readonly holder: string;
  readonly gateway: string;
  readonly maxInFlight: number;
  /** Text of what it was given since the stream woke, by sequence; what is not in flight any more is dropped late. */
  readonly #given = new Map<number, number>();
  #bytes = 0;

  constructor(holder: string, gateway: string, maxInFlight: number) {
    this.holder = holder;
    this.gateway = gateway;
    this.maxInFlight = maxInFlight;
  }

  /**
   * How many more messages it may be given beside what it has: none while that is as much text as may wait for one socket,
   * or a suspect.
   */
  room(cursor: ConsumerCursor): number {
    if (this.#bytes >= LIMITS.outgoingPauseBytes || this.#given.size > 2 * this.maxInFlight) {
      this.#dropSettled(cursor);
    }
    return this.#bytes >= LIMITS.outgoingPauseBytes ? 0 : cursor.roomOf(this.holder, this.maxInFlight);
  }

  /** It was given a message of so much text. */
  gave(sequence: number, size: number): void {
    this.#bytes += size - (this.#given.get(sequence) ?? 0);
    this.#given.set(sequence, size);
  }

  #dropSettled(cursor: ConsumerCursor): void {
    for (const [sequence, size] of this.#given) {
      if (!cursor.isInFlightAt(this.holder, sequence)) {
        this.#given.delete(sequence);
        this.#bytes -= size;
      }
    }
  }
}
