import { LIMITS } from "../../../../rpc/index.ts";
import { socketOf } from "../../../internal/consumer-calls.ts";

import type { ConsumerCursor } from "../cursor/cursor.ts";

/** A subscription as it joined. */
export type SubscriberSpec = { readonly holder: string; readonly gateway: string; readonly maxInFlight: number };

/** One of the subscriptions that share a consumer. */
export class Subscriber {
  /** Its name in the consumer's cursor. */
  readonly holder: string;
  readonly gateway: string;
  readonly maxInFlight: number;
  readonly #socket: string;
  readonly #fullSockets: ReadonlySet<string>;
  /** Size of each message delivered to it since the stream was loaded, by sequence. Acked ones are removed later. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;
  #hasLeft = false;
  /** Of the cursor when acked messages were last looked for: every change of the stream asks for the room of all. */
  #lookedAt = -1;

  /** @param fullSockets Those that were sent nothing of the last push, until they are heard. */
  constructor({ holder, gateway, maxInFlight }: SubscriberSpec, fullSockets: ReadonlySet<string>) {
    this.holder = holder;
    this.gateway = gateway;
    this.maxInFlight = maxInFlight;
    this.#socket = socketOf(holder);
    this.#fullSockets = fullSockets;
  }

  /** Whether it gets no messages: its socket has too much unread, or it has left. */
  get isFull(): boolean {
    return this.#hasLeft || this.#fullSockets.has(this.#socket);
  }

  /** It gets nothing from now on, and is to be released. */
  leave(): void {
    this.#hasLeft = true;
  }

  /**
   * How many more messages it may get. None while it {@link isFull}, while it has a suspect in flight, or as much text
   * in flight as may wait for one socket.
   */
  room(cursor: ConsumerCursor): number {
    if (this.isFull) {
      return 0;
    }
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
    if (cursor.version === this.#lookedAt) {
      return;
    }
    this.#lookedAt = cursor.version;
    for (const [sequence, size] of this.#sizes) {
      if (!cursor.isInFlightAt(this.holder, sequence)) {
        this.#sizes.delete(sequence);
        this.#bytes -= size;
      }
    }
  }
}
