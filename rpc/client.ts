/// <reference lib="esnext.disposable" preserve="true" />
import { Caller } from "./client/calls/caller.ts";
import { CallQueue } from "./client/calls/call-queue.ts";
import { Connection } from "./client/connection/connection.ts";
import type { ConnectionState } from "./client/connection/connection.ts";
import { DurableStreamError } from "./client/error.ts";
import { ConsumerFollower } from "./client/subscriptions/consumer-follower.ts";
import type { ConsumerDelivery, Handler, StreamEvent } from "./client/subscriptions/events.ts";
import type { Follower, FollowerHost } from "./client/subscriptions/follower.ts";
import { readIncoming } from "./client/connection/frame.ts";
import { dispatchNotification } from "./client/subscriptions/notifications.ts";
import { objectClient } from "./client/objects/object-client.ts";
import { Objects } from "./client/objects/objects.ts";
import type { CallOptions } from "./client/calls/pending-call.ts";
import { PendingCalls } from "./client/calls/pending-calls.ts";
import { resolveOptions } from "./client/options.ts";
import type { DurableStreamOptions, ResolvedOptions } from "./client/options.ts";
import { Publisher } from "./client/calls/publisher.ts";
import { StreamFollower } from "./client/subscriptions/stream-follower.ts";
import { Subscription } from "./client/subscriptions/subscription.ts";
import type {
  HandlerOptions,
  Reading,
  SubscriptionOptions,
  SubscriptionSink,
} from "./client/subscriptions/subscription.ts";
import { DRAIN_MS, monotonicMs, waitAtMost } from "./client/time.ts";
import { RequestChannel } from "./client/calls/request-channel.ts";
import type { ContractMethods } from "./contract-methods.ts";
import { CALLABLE_METHODS } from "./method-traits.ts";
import type { CallableMethod } from "./method-traits.ts";
import type { MethodResult } from "./methods.ts";
import type { SubscribeConsumerParams, SubscribeStreamParams } from "./subscription.ts";

export type { ConnectionChange, ConnectionState } from "./client/connection/connection.ts";
export { DurableStreamError } from "./client/error.ts";
export type {
  ConsumerDelivery,
  Delivery,
  EpochChange,
  Gap,
  Handler,
  StreamEvent,
} from "./client/subscriptions/events.ts";
export type { ObjectBody } from "./client/objects/body.ts";
export type { Objects, PutOptions, ReadObject } from "./client/objects/objects.ts";
export type { Fetch } from "./client/objects/http.ts";
export type { CallOptions } from "./client/calls/pending-call.ts";
export type { DurableStreamOptions } from "./client/options.ts";
export { Subscription } from "./client/subscriptions/subscription.ts";
export type { HandlerOptions, SubscriptionOptions } from "./client/subscriptions/subscription.ts";
export type { WebSocketConstructor, WebSocketLike } from "./client/connection/socket.ts";
export type { CallableMethod } from "./method-traits.ts";

type ClientMethods = ContractMethods<[options?: CallOptions]>;

// The methods below that the class does not write out are put on its prototype from the table.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface DurableStream extends ClientMethods {}

/**
 * A client of one server, over one WebSocket at a time. It connects when it is first needed, and again whenever the
 * connection is lost, until it is closed; calls and publishes wait for it, within their time.
 *
 * What is published to one stream, by `objects.publishOrPut` too, is stored in the order of the calls. One that is
 * refused, aborted or not done in its time is passed over: those behind it are stored all the same, and one of which the
 * outcome is unknown may be stored, then or later.
 *
 * It has a method for each of the contract that needs no socket of its own. What fails rejects with a
 * {@link DurableStreamError}, whose `name` says what is in its `data`.
 *
 * @example
 * ```ts
 * const client = new DurableStream({ url: "https://streams.example.com", token: apiKey });
 * client.subscribe({ stream: "orders" }, async (event) => {
 *   if (event.type === "message") {
 *     await ship(event.data);
 *   }
 * });
 * await client.publish({ stream: "orders", data: { item: "tea" } });
 * await client.close();
 * ```
 */
export class DurableStream {
  readonly #options: ResolvedOptions;
  readonly #connection: Connection;
  readonly #channel: RequestChannel;
  readonly #pendingCalls: PendingCalls;
  readonly #calls: CallQueue;
  readonly #publisher: Publisher;
  readonly #caller: Caller;
  /** Objects of any size, as bodies and not as JSON: `put`, `get`, and messages too large for one. */
  readonly objects: Objects;
  readonly #followers = new Set<Follower>();
  /** By the number of the server's subscription on this socket. */
  readonly #attached = new Map<number, Follower>();
  #sockets = 0;
  #closing: Promise<void> | undefined;

  static {
    for (const method of CALLABLE_METHODS) {
      Object.defineProperty(DurableStream.prototype, method, {
        value(this: DurableStream, params?: object, options?: CallOptions) {
          return this.#caller.call(method, { params, options });
        },
        writable: true,
        configurable: true,
      });
    }
  }

  constructor(options: DurableStreamOptions) {
    this.#options = resolveOptions(options);
    const bounds = { calls: this.#options.queue.publishes, bytes: this.#options.queue.bytes };
    this.#pendingCalls = new PendingCalls(bounds, () => this.#connection.whyOffline);
    this.#connection = new Connection(this.#options, {
      opened: () => this.#opened(),
      received: (frame) => this.#received(frame),
      lost: (mayBeDone) => this.#lost(mayBeDone),
      refused: (error) => this.#pendingCalls.refuse(error),
      failed: (error) => this.#failed(error),
    });
    this.#channel = new RequestChannel(this.#connection, this.#options.answerTimeoutMs);
    this.#calls = new CallQueue(this.#channel);
    this.#publisher = new Publisher(this.#channel);
    const queues = {
      pendingCalls: this.#pendingCalls,
      connection: this.#connection,
      calls: this.#calls,
      publisher: this.#publisher,
    };
    this.#caller = new Caller(queues, this.#options);
    this.objects = new Objects(objectClient(this.#caller, this.#pendingCalls), this.#options);
  }

  /**
   * The state of the connection now: `idle` until it is first needed, `connecting`, `open`, `waiting` for the next attempt
   * to connect, or `closed` for good. `onState` of the options hears of changes.
   */
  get state(): ConnectionState {
    return this.#connection.state;
  }

  /**
   * Calls a method by its name, as the method of that name does. What only reads is repeated when its connection is lost;
   * so is a publish, by its id.
   *
   * @throws DurableStreamError What the server answered; Unavailable when it was not done, OutcomeUnknown when it may
   * have been. The signal's reason when it was aborted.
   */
  call<M extends CallableMethod>(method: M, ...args: Parameters<ClientMethods[M]>): Promise<MethodResult<M>>;
  call(method: string, params?: object, options?: CallOptions): Promise<object> {
    return this.#caller.call(method, { params, options });
  }

  /**
   * Takes a share of a consumer: each of its messages goes to one of those who share it, to `handler` here, which acks it
   * by being done. One that throws gives it back. After a lost connection it goes on. A consumer ends with its stream, and
   * then the subscription with NotFound or EpochChanged.
   *
   * - `stream`, `consumer`: their names; `createConsumer` makes one.
   * - `maxInFlight`: most messages that wait here, 1 to 10,000; 256 unless given.
   *
   * @param handler Called with one message at a time.
   * @param options `ack`, `onError`, `signal` and `timeoutMs`.
   * @returns The subscription; its `ended` rejects with what ends it.
   */
  subscribe(
    params: SubscribeConsumerParams,
    handler: Handler<ConsumerDelivery>,
    options?: HandlerOptions<ConsumerDelivery>,
  ): Subscription<ConsumerDelivery>;
  /**
   * Follows a stream: `handler` gets each event once and in order, `message`, `gap` or `epochChanged`, and acks it by
   * being done. One that throws gets it again after a pause. After a lost connection it goes on behind the last event that
   * was done. Of a stream that is deleted and made again, or restored to an earlier state, it goes on with the event
   * `epochChanged`.
   *
   * - `stream`: the stream's name; it is made if there is none.
   * - `from`: where it starts: `"first"` (the default), `"new"`, `{ sequence }`, at most one past the last, `{ time }` in
   *   milliseconds since the epoch, which may be to come, or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `maxInFlight`: most messages sent and not acked, 1 to 10,000; 256 unless given, 1 for strictly one at a time.
   * - `ackWaitMs`: without an ack for so long, messages are sent again, 100 to 3,600,000; 30,000 unless given.
   * - `maxDeliver`: how often a message is sent before the server ends the subscription, 1 to 100; 5 unless given.
   * - `epoch`: the life of the stream that `from` is of; any unless given.
   *
   * @param handler Called with one event at a time.
   * @param options `ack`, `onError`, `signal` and `timeoutMs`.
   * @returns The subscription; its `ended` rejects with what ends it.
   * @example
   * ```ts
   * const orders = client.subscribe({ stream: "orders", from: "first" }, async (event) => {
   *   if (event.type === "message") {
   *     await store(event.sequence, event.data);
   *   }
   * });
   * await orders.ended;
   * ```
   */
  subscribe(
    params: SubscribeStreamParams,
    handler: Handler<StreamEvent>,
    options?: HandlerOptions<StreamEvent>,
  ): Subscription;
  /**
   * Takes a share of a consumer: each of its messages goes to one of those who share it, here to the `for await` over what
   * is returned. Asking for the next one acks the one before. After a lost connection it goes on. A consumer ends with its
   * stream, and then the loop with NotFound or EpochChanged.
   *
   * - `stream`, `consumer`: their names; `createConsumer` makes one.
   * - `maxInFlight`: most messages that wait here, 1 to 10,000; 256 unless given.
   *
   * @param options `ack`, `signal` and `timeoutMs`.
   * @example
   * ```ts
   * for await (const job of client.subscribe({ stream: "orders", consumer: "packers" })) {
   *   await pack(job.data);
   * }
   * ```
   */
  subscribe(params: SubscribeConsumerParams, options?: SubscriptionOptions): Subscription<ConsumerDelivery>;
  /**
   * Follows a stream: the `for await` over what is returned gets each event once and in order, `message`, `gap` or
   * `epochChanged`. Asking for the next one acks the one before. After a lost connection it goes on behind the last event
   * that was done. Of a stream that is deleted and made again, or restored to an earlier state, it goes on with the event
   * `epochChanged`.
   *
   * - `stream`: the stream's name; it is made if there is none.
   * - `from`: where it starts: `"first"` (the default), `"new"`, `{ sequence }`, at most one past the last, `{ time }` in
   *   milliseconds since the epoch, which may be to come, or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `maxInFlight`: most messages sent and not acked, 1 to 10,000; 256 unless given, 1 for strictly one at a time.
   * - `ackWaitMs`: without an ack for so long, messages are sent again, 100 to 3,600,000; 30,000 unless given.
   * - `maxDeliver`: how often a message is sent before the server ends the subscription, 1 to 100; 5 unless given.
   * - `epoch`: the life of the stream that `from` is of; any unless given.
   *
   * @param options `ack`, `signal` and `timeoutMs`.
   * @example
   * ```ts
   * for await (const event of client.subscribe({ stream: "orders", from: { last: 10 } })) {
   *   if (event.type === "message") {
   *     console.log(event.sequence, event.data);
   *   }
   * }
   * ```
   */
  subscribe(params: SubscribeStreamParams, options?: SubscriptionOptions): Subscription;
  subscribe(
    params: SubscribeStreamParams | SubscribeConsumerParams,
    reading: Handler<StreamEvent> | Handler<ConsumerDelivery> | SubscriptionOptions = {},
    rest: HandlerOptions<never> = {},
  ): Subscription | Subscription<ConsumerDelivery> {
    const options = typeof reading === "function" ? rest : reading;
    const host = this.#followerHost();
    const isManual = options.ack === "manual";
    if ("consumer" in params) {
      const follow = (sink: SubscriptionSink<ConsumerDelivery>) =>
        this.#follow(new ConsumerFollower(host, params, { isManual, sink }), options.signal);
      return new Subscription(follow, readingOf<ConsumerDelivery>(reading, rest), options);
    }
    const follow = (sink: SubscriptionSink<StreamEvent>) =>
      this.#follow(new StreamFollower(host, params, { isManual, sink }), options.signal);
    return new Subscription(follow, readingOf<StreamEvent>(reading, rest), options);
  }

  /**
   * Hands on nothing new, waits until handlers are done and acked what they have, then until every call is settled and
   * every object put and read, and closes the connection. What is not done in time is rejected with what is known of it.
   * A handler must not wait for this, as this waits for it; a loop is not waited for, see `Subscription.drain`. A body
   * that is not read to its end is: cancel what is not wanted.
   *
   * @param timeoutMs How long to wait in all; 10,000 unless given.
   */
  close({ timeoutMs = DRAIN_MS }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  /** Closes the client as `close` does: `await using client = new DurableStream(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #followerHost(): FollowerHost {
    return {
      request: (request, isGone = () => false) => {
        const socket = this.#sockets;
        if (this.#connection.state === "open") {
          this.#calls.request(request, () => isGone() || socket !== this.#sockets);
        }
      },
      notify: (method, params) => this.#channel.notify(method, JSON.stringify(params)),
      attach: (subscription, follower) => this.#attached.set(subscription, follower),
      detach: (subscription) => this.#attached.delete(subscription),
      ended: (follower) => this.#followers.delete(follower),
    };
  }

  #follow(follower: Follower, signal: AbortSignal | undefined): Follower {
    const closedBy = this.#pendingCalls.endingBy ?? (this.#closing === undefined ? undefined : closed());
    if (signal?.aborted === true || closedBy !== undefined) {
      follower.end(signal?.aborted === true ? undefined : closedBy);
      return follower;
    }
    this.#followers.add(follower);
    if (this.#connection.state === "open") {
      follower.subscribe();
    } else {
      this.#connection.open();
    }
    return follower;
  }

  #opened(): void {
    this.#sockets += 1;
    this.#channel.opened();
    for (const follower of this.#followers) {
      follower.subscribe();
    }
    this.#calls.flush();
    this.#publisher.schedule();
  }

  #received(frame: string): void {
    const incoming = readIncoming(frame);
    if (incoming === undefined) {
      this.#connection.drop("a frame came that is not of this protocol");
      return;
    }
    for (const one of incoming) {
      if (one.kind !== "notification") {
        this.#channel.answered(one);
      } else if (!dispatchNotification(this.#attached, one, frame.length)) {
        this.#connection.drop(`a notification came that is not of this protocol: ${one.method}`);
        return;
      }
    }
    this.#calls.flush();
    this.#publisher.schedule();
  }

  #lost(mayBeDone: boolean): void {
    this.#sockets += 1;
    for (const follower of this.#followers) {
      follower.lost();
    }
    this.#attached.clear();
    this.#channel.lost(mayBeDone);
  }

  #failed(error: DurableStreamError): void {
    this.#pendingCalls.fail(error);
    this.#calls.close();
    this.#publisher.close();
    for (const follower of this.#followers) {
      follower.end(error);
    }
  }

  async #close(timeoutMs: number): Promise<void> {
    const deadlineAt = monotonicMs() + timeoutMs;
    const handlers = [...this.#followers].flatMap((follower) => follower.finish() ?? []);
    if (handlers.length > 0) {
      // Until then they may call: what a handler publishes belongs to what it does.
      await waitAtMost(timeoutMs, Promise.all(handlers));
    }
    for (const follower of this.#followers) {
      follower.end();
    }
    await this.#pendingCalls.drain(closed(), deadlineAt - monotonicMs());
    this.#calls.close();
    this.#publisher.close();
    this.#connection.close();
    this.#channel.lost(true);
  }
}

function readingOf<Event>(
  handler: Handler<StreamEvent> | Handler<ConsumerDelivery> | SubscriptionOptions,
  { onError }: HandlerOptions<never>,
): Reading<Event> | undefined {
  if (typeof handler !== "function") {
    return undefined;
  }
  const reading: Reading<never> = { handler, onError };
  // The overloads of `subscribe` pair handler and options with its params.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return reading as Reading<Event>;
}

function closed(): DurableStreamError {
  return new DurableStreamError("Unavailable", "the client was closed");
}
