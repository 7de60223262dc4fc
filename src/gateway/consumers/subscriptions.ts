import { LIMITS, SUBSCRIPTION_DEFAULTS } from "../../../rpc/index.ts";
import type {
  RpcError,
  SubscribeConsumerParams,
  SubscribeResult,
  SubscriptionClosedNotification,
} from "../../../rpc/index.ts";
import { newHolder } from "../../internal/consumer-calls.ts";
import type { JoinReply } from "../../internal/consumer-calls.ts";
import type { CallContext, ClientAck } from "../../methods/context.ts";
import { monotonicMs } from "../../platform/clock.ts";

import type { ConsumerRouter } from "./router.ts";
import { ConsumerSubscription } from "./subscription.ts";
import type { StoredConsumerSubscription } from "./subscription.ts";
import type { ConsumerSubscriptionStore } from "./store.ts";
import { CHECK_MS, RENEW_MS } from "../streams/feeds.ts";
import type { SessionSocket } from "../attachment.ts";
import type { SendFrame } from "../streams/subscription.ts";

/** The gateway as the consumer subscriptions of its sockets see it. */
export type ConsumerSubscriptionsHost = {
  readonly gateway: string;
  readonly consumerRouter: ConsumerRouter;
  readonly consumerStore: ConsumerSubscriptionStore;
  /** Wakes the gateway at a time, to check its subscriptions of consumers. */
  readonly wakeBy: (atMs: number) => void;
};

/** So long after a refusal its stream knows of it. */
const ANSWERED_MS = 1_000;

/** The subscriptions of one socket that share consumers. */
export class ConsumerSubscriptions {
  readonly #host: ConsumerSubscriptionsHost;
  readonly #socket: SessionSocket;
  readonly #send: SendFrame;
  readonly #subscriptions = new Map<number, ConsumerSubscription>();
  /** Text of batches for subscriptions whose client does not know their number yet. */
  #heldBytes = 0;
  /** Those that were not sent what their stream had for them, and when that was. */
  readonly #refused = new Map<ConsumerSubscription, number>();
  #isClosed = false;

  constructor(host: ConsumerSubscriptionsHost, socket: SessionSocket) {
    this.#host = host;
    this.#socket = socket;
    this.#send = (frame) => socket.send(frame);
  }

  get count(): number {
    return this.#subscriptions.size;
  }

  /** Text that was sent since they were last acked, on all of them. */
  get unackedBytes(): number {
    let bytes = 0;
    for (const subscription of this.#subscriptions.values()) {
      bytes += subscription.unackedBytes;
    }
    return bytes;
  }

  get(id: number): ConsumerSubscription | undefined {
    return this.#subscriptions.get(id);
  }

  toStored(): StoredConsumerSubscription[] {
    return Array.from(this.#subscriptions.values(), (subscription) => subscription.toStored());
  }

  /** Restores the subscriptions after an eviction. @param stored Their positions, from the attachment. */
  restore(stored: readonly StoredConsumerSubscription[]): void {
    const previous = new Map(stored);
    for (const spec of previous.size === 0 ? [] : this.#host.consumerStore.of(this.#socket.key)) {
      const named = { ...spec, name: this.#socket.callersName(spec.stream) };
      const subscription = ConsumerSubscription.restore(named, previous.get(spec.id) ?? 0, this.#send);
      this.#subscriptions.set(spec.id, subscription);
      this.#addRoute(subscription);
    }
  }

  /**
   * Asks for what was refused, unless the socket is still full. A question may overtake the answer by which it was refused: it is
   * asked again until that is long ago.
   */
  resume(): void {
    if (this.#refused.size === 0) {
      return;
    }
    this.#host.wakeBy(Date.now() + CHECK_MS);
    if (this.#socket.outgoing.isPaused) {
      return;
    }
    const nowMs = monotonicMs();
    for (const [subscription, refusedAt] of this.#refused) {
      const { epoch, spec } = subscription;
      if (epoch === undefined) {
        continue;
      }
      this.#host.consumerRouter.ask({ stream: spec.stream, epoch }, spec.holder).catch(() => {
        // Safe: its next ack asks too, and so does the check of all.
      });
      if (nowMs - refusedAt >= ANSWERED_MS) {
        this.#refused.delete(subscription);
      }
    }
  }

  /** Shares a consumer; messages flow once the answer is sent. */
  async subscribe(params: SubscribeConsumerParams, context: CallContext): Promise<SubscribeResult> {
    const { stream, consumer, maxInFlight = SUBSCRIPTION_DEFAULTS.maxInFlight, seen } = params;
    const { gateway } = this.#host;
    const holder = newHolder(this.#socket.key);
    const [id, name] = [this.#socket.nextSubscription(), this.#socket.callersName(stream)];
    const subscription = new ConsumerSubscription({ id, stream, name, holder }, this.#send);
    this.#addRoute(subscription);
    let joined: JoinReply;
    try {
      const call = { consumer, gateway, holder, maxInFlight, ...(seen === undefined ? {} : { seen }) };
      joined = await this.#host.consumerRouter.join(stream, call);
    } catch (error) {
      // If the stream has added it after all, its first push is answered that nobody is here.
      this.#drop(subscription);
      throw error;
    }
    const over = subscription.joined(joined.epoch);
    if (over !== undefined) {
      this.#host.consumerRouter.end([holder], over);
    }
    const refusal = this.#refusalOf(subscription);
    if (refusal !== undefined) {
      // The rights of the caller have shrunk while the stream was asked.
      this.#drop(subscription);
      throw refusal;
    }
    this.#begin(subscription, context);
    return { subscription: subscription.spec.id, stream, ...joined };
  }

  /** Ends those that the caller may not have any more; what they hold goes to others. */
  endForbidden(): void {
    for (const subscription of this.#subscriptions.values()) {
      if (this.#refusalOf(subscription) !== undefined) {
        this.#host.consumerRouter.remove(subscription, { isLost: false });
        this.#end(subscription, "forbidden");
      }
    }
  }

  /** Ends a subscription; what it holds goes to others. */
  unsubscribe(subscription: ConsumerSubscription): void {
    this.#forget(subscription);
    this.#heldBytes -= subscription.left();
    this.#host.consumerRouter.remove(subscription, { isLost: false });
  }

  /** Sends an ack, nak, term or working to the stream; done when it is stored, at once for a notification. */
  async applyAck(subscription: ConsumerSubscription, command: ClientAck, context: CallContext): Promise<void> {
    const { epoch, spec } = subscription;
    if (epoch === undefined) {
      throw new Error("a subscription was acked that is not answered");
    }
    this.#socket.outgoing.acked(subscription.acked());
    const stored = this.#host.consumerRouter.applyAck(
      { stream: spec.stream, epoch },
      { ...command, holder: spec.holder },
    );
    if (context.isNotification === true) {
      stored.catch(() => {
        // Safe: no answer is wanted, and what is not acknowledged is redelivered.
      });
      return;
    }
    await stored;
  }

  /**
   * The socket is closed: what its subscriptions hold goes to others at once.
   *
   * @param isLost Whether its client failed, perhaps because of what they hold, rather than closed in order.
   */
  closed(isLost: boolean): void {
    this.#isClosed = true;
    if (this.#subscriptions.size > 0) {
      this.#host.consumerStore.removeSocket(this.#socket.key);
    }
    for (const subscription of this.#subscriptions.values()) {
      this.#host.consumerRouter.remove(subscription, { isLost });
    }
    this.#subscriptions.clear();
    this.#refused.clear();
  }

  #begin(subscription: ConsumerSubscription, context: CallContext): void {
    const { spec, epoch } = subscription;
    if (this.#isClosed) {
      // Its socket closed meanwhile; nothing was sent on it.
      this.#drop(subscription);
      return;
    }
    // Deleted while subscribing: answer, then send `subscriptionClosed`.
    if (!subscription.isOver) {
      this.#subscriptions.set(spec.id, subscription);
      this.#host.consumerStore.add(this.#socket.key, { ...spec, epoch: epoch ?? "" });
      this.#socket.keepSoon();
      this.#host.wakeBy(Date.now() + RENEW_MS);
    }
    context.afterAnswer.push(() => (this.#heldBytes -= subscription.answered()));
  }

  /** Leaves one that never began. */
  #drop(subscription: ConsumerSubscription): void {
    this.#heldBytes -= subscription.left();
    this.#forgetRefusal(subscription);
    this.#host.consumerRouter.remove(subscription, { isLost: false });
  }

  /** Its stream has the whole socket as full: another one of the stream asks in its place. */
  #forgetRefusal(subscription: ConsumerSubscription): void {
    if (!this.#refused.delete(subscription)) {
      return;
    }
    for (const other of this.#subscriptions.values()) {
      if (other.spec.stream === subscription.spec.stream) {
        this.#refused.set(other, monotonicMs());
        return;
      }
    }
  }

  #refusalOf({ spec: { name, holder } }: ConsumerSubscription): RpcError | undefined {
    return this.#socket.refusalOf({ stream: name, consumer: holder });
  }

  #addRoute(subscription: ConsumerSubscription): void {
    this.#host.consumerRouter.add({
      subscription,
      refuses: (size) => this.#refuses(subscription, size),
      moved: () => this.#socket.pushed(),
      close: (reason) => this.#end(subscription, reason),
    });
  }

  /** Whether the socket is full. Then the stream is asked again when it is not, at the latest by the alarm. */
  #refuses(subscription: ConsumerSubscription, size: number): boolean {
    const isHeldBack = subscription.isHeld && this.#heldBytes > LIMITS.outgoingPauseBytes;
    if (!this.#socket.outgoing.isPaused && !isHeldBack) {
      this.#heldBytes += subscription.isHeld ? size : 0;
      return false;
    }
    this.#refused.set(subscription, monotonicMs());
    this.#host.wakeBy(Date.now() + CHECK_MS);
    return true;
  }

  #end(subscription: ConsumerSubscription, reason: SubscriptionClosedNotification["reason"]): void {
    this.#forget(subscription);
    subscription.end(reason);
  }

  #forget(subscription: ConsumerSubscription): void {
    const { id } = subscription.spec;
    this.#subscriptions.delete(id);
    this.#forgetRefusal(subscription);
    this.#host.consumerStore.remove(this.#socket.key, id);
    this.#socket.keep(undefined);
  }
}
