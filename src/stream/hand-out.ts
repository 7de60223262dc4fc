import { LIMITS } from "../../rpc/index.ts";
import type { Parcel } from "../consumer-calls.ts";
import { MESSAGE_SEPARATOR, utf8Bytes } from "../message-text.ts";

import type { Consumer } from "./consumer.ts";
import type { Delivery } from "./cursor-types.ts";
import type { Log } from "./log.ts";
import { nextMessages } from "./next-messages.ts";
import type { Offer } from "./next-messages.ts";
import type { Subscriber } from "./subscriber.ts";

/** Pages of the log that one event looks through for its consumers, and text that it hands out, before others get a turn. */
const MAX_PAGES = 64;
const MAX_BYTES = 4_194_304;

/** A fetch takes no further page from here on: one more may be half of what an HTTP answer should hold. */
const FETCH_BYTES = LIMITS.pageBytes / 2;

/** A parcel with the gateway it goes to and what is in it. */
export type AddressedParcel = { gateway: string; sequences: number[]; parcel: Parcel };

/** Hands out what consumers may deliver at one moment. */
export class HandOut {
  readonly parcels: AddressedParcel[] = [];
  readonly #log: Log;
  readonly #nowMs: number;
  #pages = 0;
  #bytes = 0;

  constructor(log: Log, nowMs: number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /**
   * Gives a consumer's messages to its subscriptions with room, in equal shares, whoever has least in flight first.
   *
   * @returns False when there may be more to hand out, and it is somebody else's turn.
   */
  serve(consumer: Consumer): boolean {
    for (;;) {
      const takers = takersOf(consumer);
      const limit = takers.reduce((sum, taker) => sum + taker.room(consumer.cursor), 0);
      const offer = limit === 0 ? undefined : this.#next(consumer, limit);
      if (offer === undefined) {
        return true;
      }
      if (offer === "later") {
        return false;
      }
      this.#share(consumer, offer, takers);
    }
  }

  /** Gives at most `limit` messages to a lease and returns their text. */
  fetch(consumer: Consumer, holder: string, limit: number): string {
    const texts: string[] = [];
    while (texts.length < limit && this.#bytes < FETCH_BYTES) {
      const offer = this.#next(consumer, limit - texts.length);
      if (offer === undefined || offer === "later") {
        break;
      }
      const { page } = offer;
      const request = { holder, maxInFlight: Infinity, limit: offer.texts.size, page, nowMs: this.#nowMs };
      texts.push(...this.#texts(consumer.deliver(request), offer));
    }
    return texts.join(MESSAGE_SEPARATOR);
  }

  #next(consumer: Consumer, limit: number): Offer | "later" | undefined {
    if (this.#pages >= MAX_PAGES || this.#bytes >= MAX_BYTES) {
      return "later";
    }
    this.#pages += 1;
    return nextMessages(consumer, this.#log, { limit, nowMs: this.#nowMs });
  }

  #share(consumer: Consumer, offer: Offer, takers: readonly Subscriber[]): void {
    const { page, texts } = offer;
    let left = texts.size;
    for (const [index, taker] of takers.entries()) {
      const { holder, gateway, maxInFlight } = taker;
      const limit = Math.ceil(left / (takers.length - index));
      const deliveries = consumer.deliver({ holder, maxInFlight, limit, page, nowMs: this.#nowMs });
      const last = deliveries.at(-1);
      if (last !== undefined) {
        const parcelTexts = this.#texts(deliveries, offer, taker);
        this.parcels.push({
          gateway,
          sequences: deliveries.map(({ sequence }) => sequence),
          parcel: { holder, last: last.sequence, text: parcelTexts.join(MESSAGE_SEPARATOR) },
        });
        // To the end of the row.
        consumer.subscribers.delete(holder);
        consumer.subscribers.set(holder, taker);
      }
      left -= deliveries.length;
      if (left === 0) {
        return;
      }
    }
  }

  #texts(deliveries: readonly Delivery[], { texts }: Offer, taker?: Subscriber): string[] {
    return deliveries.map(({ sequence, deliveryCount }) => {
      const text = texts.get(sequence);
      if (text === undefined) {
        throw new Error("a message was handed out that was not offered");
      }
      const size = utf8Bytes(text);
      this.#bytes += size;
      taker?.gave(sequence, size);
      // A message's text is an object with its sequence first: the count goes before that.
      return `{"deliveryCount":${deliveryCount},${text.slice(1)}`;
    });
  }
}

function takersOf({ subscribers, cursor }: Consumer): Subscriber[] {
  return [...subscribers.values()]
    .filter((subscriber) => subscriber.room(cursor) > 0)
    .toSorted((a, b) => cursor.inFlightOf(a.holder) - cursor.inFlightOf(b.holder));
}
