import { RpcTarget } from "cloudflare:workers";

import { DurableStream, DurableStreamError } from "../../rpc/client.ts";
import type { ConsumerDelivery, StreamEvent, Subscription } from "../../rpc/client.ts";
import { backoffMs } from "../../rpc/client/retry.ts";
import type {
  BindingClosed,
  BindingDelivery,
  BindingMessage,
  BindingSubscribeResult,
  BindingSubscription,
  SubscribeParams,
} from "../../rpc/index.ts";
import { requestDeadlineMs } from "../platform/settings.ts";

import { gatewaySockets } from "./gateway-socket.ts";
import type { GatewayCaller } from "./gateway-socket.ts";

/** The stub of a caller's function; disposing of it releases the function. */
export type Handler = ((delivery: BindingDelivery) => Promise<void>) & Disposable;

type FollowedEvent = StreamEvent | ConsumerDelivery;

/** How often the handler is called for one delivery of a stream. */
const MAX_CALLS = 5;

/**
 * How long after a failed call a consumer's message is nakked. A call also fails when the caller is gone, which the runtime
 * tells at the same time: then the subscription is over, and its messages are redelivered without counting against them.
 */
const NAK_PAUSE_MS = 200;

/**
 * A subscription by service binding: our own client, over a socket to a gateway, with the caller's handler. It runs in the
 * Worker. So no Durable Object has to keep a callback, and stream and gateway hibernate between messages.
 */
export class ServiceSubscription extends RpcTarget implements BindingSubscription {
  readonly #client: DurableStream;
  readonly #subscription: Subscription | Subscription<ConsumerDelivery>;
  readonly #handler: Handler;
  readonly #closed = Promise.withResolvers<BindingClosed>();
  #isOver = false;

  /** Subscribes. @throws What the server refused. */
  static async begin(
    caller: GatewayCaller,
    params: SubscribeParams,
    handler: Handler,
  ): Promise<BindingSubscribeResult> {
    const followed = new ServiceSubscription(caller, params, handler);
    void followed.#run();
    const { subscription: _number, ...start } = await followed.#subscription.ready;
    return { ...start, subscription: followed };
  }

  private constructor(caller: GatewayCaller, params: SubscribeParams, handler: Handler) {
    super();
    this.#handler = handler;
    this.#client = new DurableStream({
      url: "https://gateway",
      token: "none",
      WebSocket: gatewaySockets(caller),
      fetch: false,
      reconnect: { leastMs: 100, mostMs: 10_000 },
    });
    const options = { timeoutMs: requestDeadlineMs() };
    this.#subscription =
      "consumer" in params ? this.#client.subscribe(params, options) : this.#client.subscribe(params, options);
  }

  async unsubscribe(): Promise<void> {
    this.#end("unsubscribed");
  }

  whenClosed(): Promise<BindingClosed> {
    return this.#closed.promise;
  }

  /** Called by the runtime when the caller has disposed of the subscription, or is gone. */
  [Symbol.dispose](): void {
    this.#end("unsubscribed");
  }

  /** Passes on one delivery after the other: asking for the next one acks the one before. */
  async #run(): Promise<void> {
    const subscription: { nextBatch(): Promise<IteratorResult<FollowedEvent[], undefined>> } = this.#subscription;
    try {
      for (let next = await subscription.nextBatch(); next.done !== true; next = await subscription.nextBatch()) {
        if (!(await this.#deliver(next.value))) {
          this.#end("handlerFailed");
          return;
        }
      }
    } catch (error) {
      this.#end(reasonOf(error));
    }
  }

  /** @returns Whether the next events may be asked for. */
  async #deliver(events: readonly FollowedEvent[]): Promise<boolean> {
    const messages = events.filter(isOfConsumer);
    if (messages.length === 0) {
      return this.#deliverInOrder(deliveryOf(events));
    }
    await this.#deliverOrNak(messages);
    return true;
  }

  /** Nothing may overtake a stream's delivery, so it is tried again in its place. @returns Whether the handler returned. */
  async #deliverInOrder(delivery: BindingDelivery): Promise<boolean> {
    for (let calls = 1; !(await this.#handles(delivery)); calls += 1) {
      if (this.#isOver || calls === MAX_CALLS) {
        return false;
      }
      await scheduler.wait(backoffMs(calls));
    }
    return true;
  }

  /**
   * Nobody knows which of several messages the handler threw for. So each of them is delivered again alone, and only those
   * that it throws for again are nakked: the consumer's `backoffMs` and `maxDeliver` decide what becomes of them.
   */
  async #deliverOrNak(messages: readonly ConsumerDelivery[]): Promise<void> {
    if (await this.#handles(deliveryOf(messages))) {
      return;
    }
    const failed: ConsumerDelivery[] = [];
    for (const message of messages) {
      if (messages.length > 1 && (await this.#handles(deliveryOf([message])))) {
        message.ack();
      } else {
        failed.push(message);
      }
    }
    if (failed.length > 0) {
      await scheduler.wait(NAK_PAUSE_MS);
    }
    for (const message of failed) {
      // Does nothing once the subscription is over.
      message.nak();
    }
  }

  /** Calls the handler once, unless the subscription is over. @returns Whether it has returned. */
  async #handles(delivery: BindingDelivery): Promise<boolean> {
    if (this.#isOver) {
      return false;
    }
    try {
      await this.#handler(delivery);
      return true;
    } catch {
      // The caller's own failure, which it knows of, or the caller is gone.
      return false;
    }
  }

  #end(reason: BindingClosed["reason"]): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    // First the subscription, so that nothing more is delivered while the client waits for its acks to be stored.
    this.#subscription.close();
    void this.#client.close();
    this.#handler[Symbol.dispose]();
    this.#closed.resolve({ reason });
  }
}

function isOfConsumer(event: FollowedEvent): event is ConsumerDelivery {
  return "nak" in event;
}

/** Events that came together, as one delivery. */
function deliveryOf(events: readonly FollowedEvent[]): BindingDelivery {
  const delivery: BindingDelivery = { messages: [] };
  for (const event of events) {
    switch (event.type) {
      case "message":
        delivery.messages.push(messageOf(event));
        break;
      case "gap":
        delivery.gap = { from: event.from, to: event.to, reason: event.reason };
        break;
      case "epochChanged":
        delivery.epochChanged = { epoch: event.epoch, reason: event.reason };
        break;
    }
  }
  return delivery;
}

/** A message without the methods that a client adds: a function would cross as a stub. */
function messageOf({ type: _type, ...event }: Extract<FollowedEvent, { type: "message" }>): BindingMessage {
  const fields = Object.entries(event).filter(([, value]) => typeof value !== "function");
  // What is left are the fields of a message.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(fields) as BindingMessage;
}

function reasonOf(error: unknown): BindingClosed["reason"] {
  if (!(error instanceof DurableStreamError)) {
    return "refused";
  }
  if (error.name === "EpochChanged") {
    return "epochChanged";
  }
  const reason = error.name === "NotFound" ? error.data.reason : undefined;
  return reason === "consumerDeleted" || reason === "streamDeleted" ? reason : "refused";
}
