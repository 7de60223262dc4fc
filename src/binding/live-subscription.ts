import { RpcTarget } from "cloudflare:workers";

import { DurableStream, DurableStreamError } from "../../rpc/client.ts";
import type { ConsumerDelivery, StreamEvent, Subscription } from "../../rpc/client.ts";
import { backoffMs } from "../../rpc/client/retry.ts";
import { LIMITS } from "../../rpc/index.ts";
import type {
  BindingClosed,
  BindingDelivery,
  BindingMessage,
  BindingSubscribeResult,
  BindingSubscription,
  SubscribeParams,
} from "../../rpc/index.ts";

import { gatewaySockets } from "./gateway-socket.ts";

/** A function of the caller: called over RPC, and let go of by disposing of it. */
export type Handler = ((delivery: BindingDelivery) => Promise<void>) & Disposable;

type FollowedEvent = StreamEvent | ConsumerDelivery;

/** How often the handler is called for one delivery. It is not told apart whether it fails or its Worker is gone. */
const MAX_CALLS = 5;

/**
 * One stream followed for a caller by service binding: a client as any other Worker might run it, over a socket to a
 * gateway of this one, and the caller's handler. It lives in the Worker, which has no state to lose; so no Durable Object
 * keeps a callback, and stream and gateway sleep between messages.
 */
export class ServiceSubscription extends RpcTarget implements BindingSubscription {
  readonly #client: DurableStream;
  readonly #subscription: Subscription | Subscription<ConsumerDelivery>;
  readonly #handler: Handler;
  readonly #closed = Promise.withResolvers<BindingClosed>();
  #isOver = false;

  /** Begins to follow; rejects with what the server refused. */
  static async begin(env: Env, params: SubscribeParams, handler: Handler): Promise<BindingSubscribeResult> {
    const followed = new ServiceSubscription(env, params, handler);
    void followed.#run();
    const { subscription: _number, ...start } = await followed.#subscription.ready;
    return { ...start, subscription: followed };
  }

  private constructor(env: Env, params: SubscribeParams, handler: Handler) {
    super();
    this.#handler = handler;
    this.#client = new DurableStream({
      url: "https://gateway",
      token: "none",
      WebSocket: gatewaySockets(env),
      fetch: false,
      reconnect: { leastMs: 100, mostMs: 10_000 },
    });
    const options = { timeoutMs: LIMITS.requestDeadlineMs };
    this.#subscription =
      "consumer" in params ? this.#client.subscribe(params, options) : this.#client.subscribe(params, options);
  }

  async unsubscribe(): Promise<void> {
    this.#end("unsubscribed");
  }

  whenClosed(): Promise<BindingClosed> {
    return this.#closed.promise;
  }

  /** Called by the runtime when the caller has let go, or is gone. */
  [Symbol.dispose](): void {
    this.#end("unsubscribed");
  }

  /** Hands everything on, one delivery after the other: asking for the next one acks the one before. */
  async #run(): Promise<void> {
    const subscription: { nextBatch(): Promise<IteratorResult<FollowedEvent[], undefined>> } = this.#subscription;
    try {
      for (let next = await subscription.nextBatch(); next.done !== true; next = await subscription.nextBatch()) {
        if (!(await this.#deliver(deliveryOf(next.value)))) {
          this.#end("handlerFailed");
          return;
        }
      }
    } catch (error) {
      this.#end(reasonOf(error));
    }
  }

  /** @returns Whether the handler has returned. */
  async #deliver(delivery: BindingDelivery): Promise<boolean> {
    for (let calls = 1; !this.#isOver; calls += 1) {
      try {
        await this.#handler(delivery);
        return true;
      } catch {
        // The caller's own failure, which it knows of, or its end.
        if (calls === MAX_CALLS) {
          return false;
        }
        await scheduler.wait(backoffMs(calls));
      }
    }
    return false;
  }

  #end(reason: BindingClosed["reason"]): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    // Before the client, which would wait until acks are stored, and hand more on meanwhile; they go before its close.
    this.#subscription.close();
    void this.#client.close();
    this.#handler[Symbol.dispose]();
    this.#closed.resolve({ reason });
  }
}

/** What came together: messages, or one other event. */
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

/** A message without what only a client can do with it: a function would cross as a stub. */
function messageOf({ type: _type, ...event }: Extract<FollowedEvent, { type: "message" }>): BindingMessage {
  const fields = Object.entries(event).filter(([, value]) => typeof value !== "function");
  // What is left is the message as it came.
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
