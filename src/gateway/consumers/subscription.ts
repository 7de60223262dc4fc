import type { SubscriptionClosedNotification } from "../../../rpc/index.ts";
import type { DeliveryBatch } from "../../internal/consumer-calls.ts";
import type { Seen, StreamEnd } from "../../internal/epoch.ts";
import { lastPublishedAt } from "../../internal/message-text.ts";

import { messagesFrame } from "../message-batch.ts";
import { notification } from "../notification.ts";
import type { SendFrame } from "../streams/subscription.ts";

/** What a subscription of a consumer was made with; it does not change. */
export type ConsumerSubscriptionSpec = {
  readonly id: number;
  readonly stream: string;
  /** The stream's name as the client says it. */
  readonly name: string;
  /** Its name at the consumer. */
  readonly holder: string;
};

/** Batches remembered of a client that acks none of them. */
const MAX_SEEN = 8;

/** What survives an eviction in the socket's attachment; `previous` is the sequence sent last. It grows at its end. */
export type StoredConsumerSubscription = [id: number, previous: number];

/** How many numbers a {@link StoredConsumerSubscription} has at least, whichever version wrote it. */
export const STORED_CONSUMER_NUMBERS = 2;

/**
 * One socket's share of a consumer. It has no cursor and no ack window: the consumer has both, and what it delivers is
 * passed on.
 */
export class ConsumerSubscription {
  readonly spec: ConsumerSubscriptionSpec;
  readonly #send: SendFrame;
  /** The epoch of the stream that it belongs to; undefined until the stream has answered. */
  #epoch: string | undefined;
  /** Epochs of the stream that ended before the answer, and why. */
  readonly #overBefore = new Map<string, StreamEnd>();
  /** The sequence sent last; 0 at the start. */
  #previous = 0;
  /**
   * The last message of each batch sent since the stream was last heard to have what was sent before, and the newest of
   * those before. After an eviction their times are not known.
   */
  #seen: Seen[] = [];
  #unackedBytes = 0;
  /** Batches held until the client knows the subscription's number; undefined from then on. */
  #held: DeliveryBatch[] | undefined = [];
  /** Why it ended before the client knew its number. */
  #closedBy: SubscriptionClosedNotification["reason"] | undefined;

  /** Makes a subscription before its stream is asked: the first push may come before the answer. */
  constructor(spec: ConsumerSubscriptionSpec, send: SendFrame) {
    this.spec = spec;
    this.#send = send;
  }

  /** Restores a subscription after an eviction. */
  static restore(
    { epoch, ...spec }: ConsumerSubscriptionSpec & { epoch: string },
    previous: number,
    send: SendFrame,
  ): ConsumerSubscription {
    const subscription = new ConsumerSubscription(spec, send);
    subscription.#epoch = epoch;
    subscription.#previous = previous;
    subscription.#seen = previous === 0 ? [] : [{ sequence: previous, publishedAt: 0 }];
    subscription.#held = undefined;
    return subscription;
  }

  /** Text that was sent since the client last acked any of it, which shows that it reads. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** The client has acked something. @returns How much text it was sent since it did last. */
  acked(): number {
    const bytes = this.#unackedBytes;
    this.#unackedBytes = 0;
    return bytes;
  }

  /** Messages that were sent: a log that lacks one of them is not the one that they are of. */
  get seen(): readonly Seen[] {
    return this.#seen;
  }

  /** The stream was asked, and has these messages that were sent. */
  confirmed(seen: readonly Seen[]): void {
    const [newest] = seen.toSorted((a, b) => b.sequence - a.sequence);
    this.#seen = this.#seen.filter((one) => one === newest || !seen.includes(one));
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Whether it ended before its client was told of it. */
  get isOver(): boolean {
    return this.#closedBy !== undefined;
  }

  /** The stream has answered. @returns Why its epoch is over, if it has ended since. */
  joined(epoch: string): StreamEnd | undefined {
    this.#epoch = epoch;
    return this.#overBefore.get(epoch);
  }

  /** An epoch of its stream is over. @returns Whether it is the subscription's own. */
  epochEnded(epoch: string, reason: StreamEnd): boolean {
    if (this.#epoch === undefined) {
      this.#overBefore.set(epoch, reason);
    }
    return this.#epoch === epoch;
  }

  toStored(): StoredConsumerSubscription {
    return [this.spec.id, this.#previous];
  }

  /** Whether what comes is held until its client knows its number. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** The client was told its number: sends what was held, and returns how much text that was. */
  answered(): number {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (this.#closedBy !== "forbidden") {
      held.forEach((batch) => this.deliver(batch));
    }
    if (this.#closedBy !== undefined) {
      this.end(this.#closedBy);
    }
    return textOf(held);
  }

  deliver(batch: DeliveryBatch): void {
    if (this.#held !== undefined) {
      this.#held.push(batch);
      return;
    }
    const { id, name } = this.spec;
    const previous = this.#previous;
    this.#previous = batch.last;
    this.#unackedBytes += batch.text.length;
    this.#seen.push({ sequence: batch.last, publishedAt: lastPublishedAt(batch.text) });
    if (this.#seen.length > MAX_SEEN) {
      this.#seen.splice(1, 1);
    }
    this.#send(messagesFrame(id, name, previous, batch.text));
  }

  /** Its client has unsubscribed, or it never began: what is held is not sent, and how much text that was is returned. */
  left(): number {
    const bytes = textOf(this.#held ?? []);
    this.#held = [];
    return bytes;
  }

  /** Tells the client that it is over. */
  end(reason: SubscriptionClosedNotification["reason"]): void {
    if (this.#held !== undefined) {
      this.#closedBy = reason;
      return;
    }
    this.#send(notification("subscriptionClosed", { subscription: this.spec.id, reason }));
  }
}

function textOf(batches: readonly DeliveryBatch[]): number {
  return batches.reduce((sum, { text }) => sum + text.length, 0);
}
