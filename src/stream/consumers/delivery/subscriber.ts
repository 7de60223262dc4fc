import { LIMITS } from "../../../../rpc/index.ts";

import type { ConsumerCursor } from "../cursor/cursor.ts";

/** One of the subscriptions that share a consumer. */
export class Subscriber {
  /** Its name in the consumer's cursor. */
  readonly holder: string;
  readonly gateway: string;
  readonly maxInFlight: number;
  /** Size of each message delivered to it since the stream was loaded, by sequence. Acked ones are removed later. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;

  constructor(holder: string, gateway: string, maxInFlight: number) {
    this.holder = holder;
    this.gateway = gateway;
    this.maxInFlight = maxInFlight;
  }

  /**
   * How many more messages it may get. None while it has a suspect in flight, or as much text in flight as may wait for
   * one socket.
   */
  room(cursor: ConsumerCursor): number {
    if (this.#bytes >= LIMITS.outgoingPauseBytes || this.#sizes.size > 2 * this.maxInFlight) {
      this.#forgetAcked(cursor);
    }
    return this.#bytes >= LIMITS.outgoingPauseBytes ? 0 : cursor.roomOf(this.holder, this.maxInFlight);
  }

  /** A message of that size was delivered to it. */
  delivered(sequence: number, size: number): void {
    this.#bytes += size - (this.#sizes.get(sequence) ?? 0);
    this.#sizes.set(sequence, size);
  }

  #forgetAcked(cursor: ConsumerCursor): void {
    for (const [sequence, size] of this.#sizes) {
      if (!cursor.isInFlightAt(this.holder, sequence)) {
        this.#sizes.delete(sequence);
        this.#bytes -= size;
      }
    }
  }
}
