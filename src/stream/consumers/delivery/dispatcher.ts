import { LIMITS } from "../../../../rpc/index.ts";
import type { DeliveryBatch } from "../../../internal/consumer-calls.ts";
import { MESSAGE_SEPARATOR } from "../../../internal/message-text.ts";

import type { Consumer } from "../consumer.ts";
import type { ConsumerCursor } from "../cursor/cursor.ts";
import type { Delivery } from "../cursor/types.ts";

import type { LogReader } from "./log-reader.ts";
import { nextMessages, nextSuspect } from "./next-messages.ts";
import type { Offer } from "./next-messages.ts";
import type { Subscriber } from "./subscriber.ts";

/** Text that a dispatcher reads from the log, text and messages that it delivers, before other requests may run. */
type Bounds = { readonly readBytes: number; readonly bytes: number; readonly messages: number };

/** An eighth of a megabyte takes some half a millisecond here, and as long at the gateways. */
const TURN: Bounds = { readBytes: 131_072, bytes: 131_072, messages: 500 };
/** One more offer may come on top. */
const FETCH: Bounds = { readBytes: LIMITS.pageBytes / 2, bytes: LIMITS.pageBytes / 2, messages: 2_000 };

/** What looking for messages costs beside what is read, and what a batch does beside its text, as text. */
const [LOOK_BYTES, BATCH_BYTES] = [8_192, 8_192];

/** A batch with its gateway, its consumer's name, and its sequences. */
export type AddressedBatch = { gateway: string; consumer: string; sequences: number[]; batch: DeliveryBatch };

/** A subscription, and how many messages it is to get. */
type Share = { readonly subscriber: Subscriber; readonly count: number };

/** The deliveries to one holder, and the offer that has their text. */
type Given = { readonly deliveries: readonly Delivery[]; readonly offer: Offer };

/** Delivers what is due at one moment, within the bounds of one transaction. */
export class Dispatcher {
  /** One that delivers to a single lease. */
  static forFetch(reader: LogReader, nowMs: number): Dispatcher {
    return new Dispatcher(reader, nowMs, FETCH);
  }

  readonly batches: AddressedBatch[] = [];
  readonly #reader: LogReader;
  readonly #nowMs: number;
  readonly #bytesReadBefore: number;
  readonly #bounds: Bounds;
  #looks = 0;
  #bytes = 0;
  #messages = 0;

  constructor(reader: LogReader, nowMs: number, bounds: Bounds = TURN) {
    this.#reader = reader;
    this.#bounds = bounds;
    this.#nowMs = nowMs;
    this.#bytesReadBefore = reader.bytesRead;
  }

  /**
   * Delivers a consumer's messages to its subscriptions. Assigns each message to the subscription with the fewest
   * unacked, so a stalled one holds at most its share of `maxInFlight`, unless the others have no room.
   *
   * Suspects come first, one for each subscription with nothing in flight. If there are several subscriptions, one of
   * them is kept free of suspects for the other messages, so that neither kind waits for ever.
   *
   * @returns False when the bounds are reached and there may be more to deliver.
   */
  dispatch(consumer: Consumer): boolean {
    if (consumer.cursor.room === 0 || isNobodyReady(consumer)) {
      return true;
    }
    const { size } = consumer.subscribers;
    const isServed =
      this.#dispatchSuspects(consumer, Math.max(1, size - 1)) &&
      this.#dispatchOthers(consumer) &&
      this.#dispatchSuspects(consumer, size);
    return isServed || !this.mayServe(consumer);
  }

  /** Whether there may be something to deliver to a consumer now. */
  mayServe(consumer: Consumer): boolean {
    const { cursor } = consumer;
    return (
      cursor.room > 0 &&
      ((cursor.roomForNew > 0 && cursor.nextSequence <= this.#reader.last) ||
        cursor.dueSequences(this.#nowMs, 1).length > 0 ||
        cursor.dueSuspect(this.#nowMs) !== undefined) &&
      eligibleSubscribers(consumer).length > 0
    );
  }

  /** Delivers suspects to subscriptions with nothing in flight, while fewer than `most` have a suspect. */
  #dispatchSuspects(consumer: Consumer, most: number): boolean {
    const { cursor, subscribers } = consumer;
    while (cursor.dueSuspect(this.#nowMs) !== undefined) {
      const all = [...subscribers.values()];
      const subscriber = all.find(({ holder, isFull }) => !isFull && cursor.inFlightOf(holder) === 0);
      if (subscriber === undefined || all.filter(({ holder }) => cursor.hasSuspect(holder)).length >= most) {
        return true;
      }
      const given = this.#suspectFor(consumer, subscriber.holder);
      if (given === "later") {
        return false;
      }
      if (given !== undefined) {
        this.#give(consumer, subscriber, given);
      }
    }
    return true;
  }

  #dispatchOthers(consumer: Consumer): boolean {
    const emptied = emptiedFor(consumer, this.#nowMs);
    for (;;) {
      const eligible = eligibleSubscribers(consumer).filter((subscriber) => subscriber !== emptied);
      const rooms = eligible.reduce((sum, subscriber) => sum + subscriber.room(consumer.cursor), 0);
      const limit = Math.min(rooms, consumer.cursor.room);
      const offer = limit === 0 ? undefined : this.#nextOthers(consumer, limit);
      if (offer === undefined) {
        return true;
      }
      if (offer === "later") {
        return false;
      }
      this.#share(consumer, offer, eligible);
    }
  }

  /**
   * Delivers at most `limit` messages to a new lease; a suspect alone.
   *
   * @returns Their text; undefined when the bounds are reached before a message was found.
   */
  fetch(consumer: Consumer, holder: string, limit: number): string | undefined {
    const suspect = this.#suspectFor(consumer, holder);
    if (suspect !== undefined) {
      return suspect === "later" ? undefined : this.#texts(suspect.deliveries, suspect.offer).join(MESSAGE_SEPARATOR);
    }
    const texts: string[] = [];
    while (texts.length < limit) {
      const offer = this.#nextOthers(consumer, limit - texts.length);
      if (offer === "later" && texts.length === 0) {
        return undefined;
      }
      if (offer === undefined || offer === "later") {
        break;
      }
      const { page } = offer;
      const request = { holder, maxInFlight: Infinity, limit: offer.texts.size, page, nowMs: this.#nowMs };
      texts.push(...this.#texts(consumer.deliver(request), offer));
    }
    return texts.join(MESSAGE_SEPARATOR);
  }

  /** Delivers the next suspect to a holder with nothing in flight; undefined when none is due. */
  #suspectFor({ cursor }: Consumer, holder: string): Given | "later" | undefined {
    if (cursor.dueSuspect(this.#nowMs) === undefined) {
      return undefined;
    }
    const offer = this.#next(() => nextSuspect(cursor, this.#reader, this.#nowMs));
    if (offer === "later") {
      return offer;
    }
    const delivery = offer && cursor.deliverSuspect(holder, this.#nowMs);
    return delivery && { deliveries: [delivery], offer };
  }

  #nextOthers(consumer: Consumer, limit: number): Offer | "later" | undefined {
    return this.#next(() => nextMessages(consumer, this.#reader, { limit, nowMs: this.#nowMs }));
  }

  /** Whether its bounds are reached: there is nothing for those that have had nothing yet. */
  get isSpent(): boolean {
    const { readBytes, bytes, messages } = this.#bounds;
    const bytesRead = this.#reader.bytesRead - this.#bytesReadBefore + this.#looks * LOOK_BYTES;
    const bytesGiven = this.#bytes + this.batches.length * BATCH_BYTES;
    return bytesRead >= readBytes || bytesGiven >= bytes || this.#messages >= messages;
  }

  #next(read: () => Offer | undefined): Offer | "later" | undefined {
    if (this.isSpent) {
      return "later";
    }
    const offer = read();
    // Where nothing is left there is nothing to go on with: a hundred consumers at the end of the log are looked at each time.
    this.#looks += offer === undefined ? 0 : 1;
    return offer;
  }

  #share(consumer: Consumer, offer: Offer, eligible: readonly Subscriber[]): void {
    const { page, texts } = offer;
    const { cursor } = consumer;
    const count = Math.min(texts.size, page === undefined ? cursor.room : cursor.roomForNew);
    for (const { subscriber, count: limit } of sharesOf(count, eligible, cursor)) {
      const { holder, maxInFlight } = subscriber;
      const deliveries = consumer.deliver({ holder, maxInFlight, limit, page, nowMs: this.#nowMs });
      this.#give(consumer, subscriber, { deliveries, offer });
    }
  }

  #give(consumer: Consumer, subscriber: Subscriber, { deliveries, offer }: Given): void {
    const { holder, gateway } = subscriber;
    const last = deliveries.at(-1);
    if (last === undefined) {
      return;
    }
    const texts = this.#texts(deliveries, offer, subscriber);
    this.batches.push({
      gateway,
      consumer: consumer.name,
      sequences: deliveries.map(({ sequence }) => sequence),
      batch: { holder, last: last.sequence, text: texts.join(MESSAGE_SEPARATOR) },
    });
    // Round robin: the last one served moves to the back.
    consumer.subscribers.delete(holder);
    consumer.subscribers.set(holder, subscriber);
  }

  #texts(deliveries: readonly Delivery[], { texts }: Offer, subscriber?: Subscriber): string[] {
    return deliveries.map(({ sequence, deliveryCount }) => {
      const offered = texts.get(sequence);
      if (offered === undefined) {
        throw new Error("a message was delivered that was not offered");
      }
      const { text, bytes } = offered;
      this.#bytes += bytes;
      this.#messages += 1;
      subscriber?.delivered(sequence, bytes);
      // The text is a JSON object: the count becomes its first field.
      return `{"deliveryCount":${deliveryCount},${text.slice(1)}`;
    });
  }
}

/** Whether the sockets of all its subscriptions are full, or it has none: seen at once, for every change looks at every consumer. */
function isNobodyReady({ subscribers }: Consumer): boolean {
  for (const { isFull } of subscribers.values()) {
    if (!isFull) {
      return false;
    }
  }
  return true;
}

/** The subscriptions with room, in the order of their turns. */
function eligibleSubscribers({ subscribers, cursor }: Consumer): Subscriber[] {
  return [...subscribers.values()].filter((subscriber) => subscriber.room(cursor) > 0);
}

/**
 * The subscription that gets nothing now, so that it empties for a suspect that is due: the one with the fewest in
 * flight. Undefined when no suspect is due, or when this is the only subscription left for the other messages.
 */
function emptiedFor({ subscribers, cursor }: Consumer, nowMs: number): Subscriber | undefined {
  if (cursor.dueSuspect(nowMs) === undefined) {
    return undefined;
  }
  const others = [...subscribers.values()].filter(({ holder }) => !cursor.hasSuspect(holder));
  const isKept = others.length === 1 && subscribers.size > 1;
  return isKept ? undefined : others.toSorted((a, b) => cursor.inFlightOf(a.holder) - cursor.inFlightOf(b.holder))[0];
}

/**
 * Divides `count` messages as if each in turn went to the subscription with the fewest in flight: all are filled to the
 * same level, as far as they have room, and the rest goes one each.
 *
 * A share is one run of neighbouring messages, because the cursor is stored as runs. Empty shares are left out, except
 * for one when all are empty: the cursor still has to pass over a page in which nothing matches.
 */
function sharesOf(count: number, eligible: readonly Subscriber[], cursor: ConsumerCursor): Share[] {
  const targets = eligible.map((subscriber) => ({
    subscriber,
    held: cursor.inFlightOf(subscriber.holder),
    room: subscriber.room(cursor),
  }));
  const filledTo = (level: number) => targets.map(({ held, room }) => Math.min(room, Math.max(0, level - held)));
  let [level, tooHigh] = [0, LIMITS.maxInFlight + 1];
  while (tooHigh - level > 1) {
    const middle = Math.floor((level + tooHigh) / 2);
    if (sumOf(filledTo(middle)) <= count) {
      level = middle;
    } else {
      tooHigh = middle;
    }
  }

  const [counts, above] = [filledTo(level), filledTo(level + 1)];
  let left = count - sumOf(counts);
  const shares = targets.map(({ subscriber }, index) => {
    const extra = left > 0 && (above[index] ?? 0) > (counts[index] ?? 0) ? 1 : 0;
    left -= extra;
    return { subscriber, count: (counts[index] ?? 0) + extra };
  });
  const served = shares.filter((share) => share.count > 0);
  return served.length > 0 ? served : shares.slice(0, 1);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0);
}
