import type { SubscriptionClosedNotification } from "../../../rpc/index.ts";
import type { DeliveryBatch } from "../../internal/consumer-calls.ts";
import type { StreamEnd } from "../../internal/epoch.ts";

import { messagesFrame } from "../message-batch.ts";
import { notification } from "../notification.ts";
import type { SendFrame } from "../streams/subscription.ts";

/** What a subscription of a consumer is; it does not change. */
export type ConsumerSubscriptionSpec = {
  readonly id: number;
  readonly stream: string;
  /** Its name at the consumer. */
  readonly holder: string;
};

/** What survives an eviction in the socket's attachment. */
export type StoredConsumerSubscription = [id: number, previous: number];

/**
 * One socket's share of a consumer. It has no cursor: the stream knows what it holds, and what comes passes through.
 */
export class ConsumerSubscription {
  readonly spec: ConsumerSubscriptionSpec;
  readonly #send: SendFrame;
  /** The life of the stream that it belongs to; undefined until the stream has answered. */
  #epoch: string | undefined;
  /** Epochs of the stream that ended before that, and why. */
  readonly #overBefore = new Map<string, StreamEnd>();
  /** The sequence sent last; 0 at the start. */
  #previous = 0;
  /** What comes before the client knows the subscription's number. */
  #held: DeliveryBatch[] | undefined = [];
  /** Why it ended before that. */
  #closedBy: SubscriptionClosedNotification["reason"] | undefined;

  /** A subscription that the stream does not know yet, but may push to before it says that it does. */
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
    subscription.#held = undefined;
    return subscription;
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Whether it ended before its client was told of it. */
  get isOver(): boolean {
    return this.#closedBy !== undefined;
  }

  /** The stream has answered; tells why that epoch of it is over, if it has ended since. */
  joined(epoch: string): StreamEnd | undefined {
    this.#epoch = epoch;
    return this.#overBefore.get(epoch);
  }

  /** An epoch of its stream is over; tells whether it is its own. */
  epochEnded(epoch: string, reason: StreamEnd): boolean {
    if (this.#epoch === undefined) {
      this.#overBefore.set(epoch, reason);
    }
    return this.#epoch === epoch;
  }

  toStored(): StoredConsumerSubscription {
    return [this.spec.id, this.#previous];
  }

  /** Its client was told its number: messages flow. */
  answered(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    held.forEach((batch) => this.deliver(batch));
    if (this.#closedBy !== undefined) {
      this.end(this.#closedBy);
    }
  }

  deliver(batch: DeliveryBatch): void {
    if (this.#held !== undefined) {
      this.#held.push(batch);
      return;
    }
    const { id, stream } = this.spec;
    const previous = this.#previous;
    this.#previous = batch.last;
    this.#send(messagesFrame(id, stream, previous, batch.text));
  }

  /** Its client has unsubscribed: what is held is not sent to it. */
  left(): void {
    this.#held = [];
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
