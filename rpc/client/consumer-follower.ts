import type { DeliveredMessage } from "../message.ts";
import type { NotificationParams } from "../notifications.ts";
import type { SubscribeConsumerParams, SubscribeResult } from "../subscription.ts";

import { DurableStreamError } from "./error.ts";
import type { ConsumerDelivery, Handler } from "./events.ts";
import { ServerSubscription } from "./server-subscription.ts";
import type { FollowerHost, Subscriber } from "./server-subscription.ts";
import { Settlements } from "./settlements.ts";
import type { ConsumerSubscriptionOptions, SubscriptionSink } from "./subscription.ts";

const DEFAULT_MAX_IN_FLIGHT = 256;

/**
 * Takes a share of a consumer. When its socket is lost the server gives what was not settled to others: what waits here
 * is forgotten, what is being handled is finished and acked on the next socket, and not handled twice at a time.
 */
export class ConsumerFollower implements Subscriber {
  readonly #host: FollowerHost;
  readonly #params: SubscribeConsumerParams;
  readonly #isManual: boolean;
  readonly #sink: SubscriptionSink<ConsumerDelivery>;
  readonly #subscription: ServerSubscription;
  readonly #settlements: Settlements;
  /** Handed on and not settled. */
  readonly #held = new Set<number>();
  /** Changes with each subscription of the server, whose numbers begin anew on each socket. */
  #life = {};
  /** The sequence sent last on this subscription; 0 at the start. */
  #previous = 0;
  #isEnded = false;

  constructor(
    host: FollowerHost,
    params: SubscribeConsumerParams,
    reading: { isManual: boolean; sink: SubscriptionSink<ConsumerDelivery> },
  ) {
    this.#host = host;
    this.#params = params;
    this.#isManual = reading.isManual;
    this.#sink = reading.sink;
    this.#subscription = new ServerSubscription(host, this);
    this.#settlements = new Settlements(host, params.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT);
  }

  opened(): void {
    this.#subscription.open();
  }

  lost(): void {
    this.#forget();
    this.#subscription.leave();
  }

  receive({ previous, messages }: NotificationParams<"messages">): void {
    if (previous !== this.#previous) {
      // Something between was lost: on a new subscription it comes again.
      this.#settlements.flush();
      this.#forget();
      this.#subscription.unsubscribe();
      this.#subscription.open();
      return;
    }
    this.#previous = messages.at(-1)?.sequence ?? previous;
    for (const message of messages) {
      if (!this.#held.has(message.sequence) && !this.#settlements.has(message.sequence)) {
        this.#hand(message);
      }
    }
  }

  receiveGap(): void {
    // A consumer is not told of gaps: its info counts what is lost.
  }

  receiveClosed({ reason }: NotificationParams<"subscriptionClosed">): void {
    this.end(new DurableStreamError("NotFound", `the consumer is gone: ${reason}`, { data: { what: "consumer" } }));
  }

  finish(): Promise<void> | undefined {
    const handled = this.#sink.finish();
    return handled === undefined ? this.store() : handled.then(() => this.store());
  }

  store(): Promise<void> | undefined {
    return this.#settlements.store();
  }

  end(error?: unknown): void {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#settlements.end();
      this.#subscription.unsubscribe();
      this.#host.ended(this);
      this.#sink.ended(error);
    }
  }

  subscribeParams(): SubscribeConsumerParams {
    return this.#params;
  }

  begun(answer: SubscribeResult): void {
    this.#previous = 0;
    this.#life = {};
    this.#settlements.begin(answer.subscription);
    this.#sink.begun(answer);
  }

  refused(error: DurableStreamError): void {
    this.end(error);
  }

  #hand(message: DeliveredMessage): void {
    const { sequence, deliveryCount = 1 } = message;
    const life = this.#life;
    this.#held.add(sequence);
    let isSettled = false;
    /** The first word counts. A message that is held no more was given to others, who settle it. */
    const settle = (tell: () => void): void => {
      if (!isSettled) {
        isSettled = true;
        this.#held.delete(sequence);
        tell();
      }
    };
    const isStillMine = () => life === this.#life;
    const ack = () => settle(() => this.#settlements.ack(sequence, this.#sink.line.isEmpty));
    const delivery: ConsumerDelivery = {
      ...message,
      type: "message",
      deliveryCount,
      ack,
      nak: (delayMs) =>
        settle(() => isStillMine() && this.#settlements.tell("nak", withDefined({ sequences: [sequence], delayMs }))),
      term: (reason) => settle(() => this.#settlements.tell("term", withDefined({ sequences: [sequence], reason }))),
      working: () => isStillMine() && !isSettled && this.#settlements.tell("working", { sequences: [sequence] }),
    };
    this.#sink.line.push(delivery, this.#isManual ? () => undefined : ack, () => this.#held.delete(sequence));
  }

  /** What is waiting here goes to others. */
  #forget(): void {
    this.#settlements.lost();
    this.#sink.line.dropWaiting();
  }
}

/** A handler that gives a message back when it fails, so that it is delivered again after the consumer's backoff. */
export function givingBack(
  handler: Handler<ConsumerDelivery> | undefined,
  onError: ConsumerSubscriptionOptions["onError"],
): Handler<ConsumerDelivery> | undefined {
  if (handler === undefined) {
    return undefined;
  }
  return async (delivery) => {
    try {
      await handler(delivery);
    } catch (error) {
      delivery.nak();
      if (onError === undefined) {
        throw error;
      }
      onError(error, delivery);
    }
  };
}

/** JSON has no undefined, and the contract no null. */
function withDefined(params: { sequences: number[]; delayMs?: number | undefined; reason?: string | undefined }) {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}
