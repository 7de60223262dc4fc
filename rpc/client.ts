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
import { TokenRenewal } from "./client/calls/token-renewal.ts";
import { objectClient } from "./client/objects/object-client.ts";
import { Objects } from "./client/objects/objects.ts";
import type { CallOptions } from "./client/calls/pending-call.ts";
import { PendingCalls } from "./client/calls/pending-calls.ts";
import { resolveOptions } from "./client-options.ts";
import type { DurableStreamOptions, ResolvedOptions } from "./client-options.ts";
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
import type { ContractMethods } from "./methods/contract-methods.ts";
import { CALLABLE_METHODS } from "./methods/method-traits.ts";
import type { CallableMethod } from "./methods/method-traits.ts";
import type { MethodResult } from "./methods/methods.ts";
import type { AnyStreams, NameIn } from "./methods/typed-streams.ts";
import type { SubscribeConsumerParams, SubscribeStreamParams } from "./schemas/subscription.ts";

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
export type { DurableStreamOptions } from "./client-options.ts";
export { Subscription } from "./client/subscriptions/subscription.ts";
export type { HandlerOptions, SubscriptionOptions } from "./client/subscriptions/subscription.ts";
export { SchemaError } from "./client/subscriptions/schema.ts";
export type { SchemaIssue, StandardSchema } from "./client/subscriptions/schema.ts";
export type { WebSocketConstructor, WebSocketLike } from "./client/connection/socket.ts";
export type { CallableMethod } from "./methods/method-traits.ts";

type ClientMethods<Streams extends object = AnyStreams> = ContractMethods<[options?: CallOptions], Streams>;

// The class defines these methods on its prototype, from the table of methods.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface DurableStream<Streams extends object = AnyStreams> extends ClientMethods<Streams> {}

/**
 * A client of one server, over one WebSocket at a time. It connects at the first call or subscription, and reconnects until
 * it is closed. Calls and publishes wait for the connection, within their timeouts.
 *
 * Publishes to one stream are stored in the order of the calls; so are those of `objects.publishOrPut`. One that is refused,
 * aborted or timed out is skipped: later ones are stored without it. One whose outcome is unknown may still be stored, then
 * or later.
 *
 * The class has every method of the contract except those that need a socket, for which there is `subscribe`. A method
 * rejects with a {@link DurableStreamError}, whose `name` says what its `data` holds.
 *
 * @typeParam Streams The names of the streams with the types of their data, such as `{ orders: Order }`: a claim of whoever
 * writes it. The option `schema` of `subscribe` checks data. Any name and any data unless given.
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
export class DurableStream<Streams extends object = AnyStreams> {
  readonly #options: ResolvedOptions;
  readonly #connection: Connection;
  readonly #channel: RequestChannel;
  readonly #pendingCalls: PendingCalls;
  readonly #calls: CallQueue;
  readonly #publisher: Publisher;
  readonly #caller: Caller;
  readonly #renewal: TokenRenewal;
  /** Objects of any size, read and written as bodies rather than JSON, and messages too large for a stream. */
  readonly objects: Objects;
  readonly #followers = new Set<Follower>();
  /** By the number of their server subscription on this socket. */
  readonly #attached = new Map<number, Follower>();
  /** Changes when a socket is opened or lost. */
  #generation = 0;
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
    this.#publisher = new Publisher(this.#channel, this.#options.publishing);
    const queues = {
      pendingCalls: this.#pendingCalls,
      connection: this.#connection,
      calls: this.#calls,
      publisher: this.#publisher,
    };
    this.#caller = new Caller(queues, this.#options);
    this.#renewal = new TokenRenewal({
      tokens: this.#connection.tokens,
      current: () => this.#connection.token,
      authenticate: (token, settle) => {
        const generation = this.#generation;
        const request = { method: "authenticate", params: JSON.stringify({ token }), settle };
        this.#calls.request(request, () => generation !== this.#generation);
      },
      renewed: (token) => this.#connection.renewed(token),
    });
    this.objects = new Objects(objectClient(this.#caller, this.#pendingCalls), this.#options);
  }

  /**
   * The state of the connection: `idle` until it is first needed, `connecting`, `open`, `waiting` for the next attempt to
   * connect, or `closed` for good. The option `onState` is called with each change.
   */
  get state(): ConnectionState {
    return this.#connection.state;
  }

  /**
   * Calls a method of the contract by its name. When the connection is lost, a call that only reads is repeated, and so is
   * a publish, which its producer's number makes safe.
   *
   * @throws DurableStreamError What the server answered; Unavailable when it was not done, OutcomeUnknown when it may
   * have been. The signal's reason when it was aborted.
   */
  call<M extends CallableMethod>(method: M, ...args: Parameters<ClientMethods[M]>): Promise<MethodResult<M>>;
  call(method: string, params?: object, options?: CallOptions): Promise<object> {
    return this.#caller.call(method, { params, options });
  }

  /**
   * Takes a share of a consumer: each message is delivered to one of the subscriptions of the consumer. `handler` is called
   * with it, and it is acked when the handler is done. When the handler throws, it is given back for redelivery. The
   * subscription resumes after a lost connection. It ends with NotFound or EpochChanged when the consumer or its stream is
   * gone.
   *
   * - `stream`, `consumer`: their names; `createConsumer` makes one.
   * - `maxInFlight`: most messages sent here and not settled, 1 to 10,000; 256 unless given.
   *
   * @param handler Called with one message at a time.
   * @param options `ack`, `schema`, `onError`, `signal` and `timeoutMs`.
   * @returns The subscription; its `ended` rejects with what ends it.
   */
  subscribe<S extends NameIn<Streams>, Data = Streams[S]>(
    params: SubscribeConsumerParams & { stream: S },
    handler: Handler<ConsumerDelivery<NoInfer<Data>>>,
    options?: HandlerOptions<ConsumerDelivery, Data>,
  ): Subscription<ConsumerDelivery<Data>>;
  /**
   * Follows a stream: `handler` is called with each event once and in order, `message`, `gap` or `epochChanged`, and the
   * event is acked when the handler is done. When the handler throws, it is called again after a pause. After a lost
   * connection the subscription resumes after the last event that was done. When the stream is deleted and made again, or
   * restored to an earlier state, it goes on with the event `epochChanged`.
   *
   * - `stream`: the stream's name; it is made if there is none.
   * - `from`: where it starts: `"first"` (the default), `"new"`, `{ sequence }`, at most one past the last, `{ time }` in
   *   milliseconds since the epoch, also in the future, or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `maxInFlight`: most messages sent and not acked, 1 to 10,000; 256 unless given, 1 for strictly one at a time.
   * - `ackWaitMs`: after so many milliseconds without an ack, messages are sent again, 100 to 3,600,000; 30,000 unless given.
   * - `maxDeliver`: how often a message is sent before the server closes the subscription, which the client then opens
   *   again, 1 to 100; 5 unless given.
   * - `epoch`: the epoch of the stream that `from` belongs to; any unless given.
   *
   * @param handler Called with one event at a time.
   * @param options `ack`, `endsWithEpoch`, `schema`, `onError`, `signal` and `timeoutMs`.
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
  subscribe<S extends NameIn<Streams>, Data = Streams[S]>(
    params: SubscribeStreamParams & { stream: S },
    handler: Handler<StreamEvent<NoInfer<Data>>>,
    options?: HandlerOptions<StreamEvent, Data>,
  ): Subscription<StreamEvent<Data>>;
  /**
   * Takes a share of a consumer: each message is delivered to one of the subscriptions of the consumer, here to the
   * `for await` over the result. Asking for the next message acks the one before. The subscription resumes after a lost
   * connection. The loop ends with NotFound or EpochChanged when the consumer or its stream is gone.
   *
   * - `stream`, `consumer`: their names; `createConsumer` makes one.
   * - `maxInFlight`: most messages sent here and not settled, 1 to 10,000; 256 unless given.
   *
   * @param options `ack`, `schema`, `signal` and `timeoutMs`.
   * @example
   * ```ts
   * for await (const job of client.subscribe({ stream: "orders", consumer: "packers" })) {
   *   await pack(job.data);
   * }
   * ```
   */
  subscribe<S extends NameIn<Streams>, Data = Streams[S]>(
    params: SubscribeConsumerParams & { stream: S },
    options?: SubscriptionOptions<Data>,
  ): Subscription<ConsumerDelivery<Data>>;
  /**
   * Follows a stream: the `for await` over the result gets each event once and in order, `message`, `gap` or
   * `epochChanged`. Asking for the next event acks the one before. After a lost connection the subscription resumes after
   * the last event that was done. When the stream is deleted and made again, or restored to an earlier state, it goes on
   * with the event `epochChanged`.
   *
   * - `stream`: the stream's name; it is made if there is none.
   * - `from`: where it starts: `"first"` (the default), `"new"`, `{ sequence }`, at most one past the last, `{ time }` in
   *   milliseconds since the epoch, also in the future, or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `maxInFlight`: most messages sent and not acked, 1 to 10,000; 256 unless given, 1 for strictly one at a time.
   * - `ackWaitMs`: after so many milliseconds without an ack, messages are sent again, 100 to 3,600,000; 30,000 unless given.
   * - `maxDeliver`: how often a message is sent before the server closes the subscription, which the client then opens
   *   again, 1 to 100; 5 unless given.
   * - `epoch`: the epoch of the stream that `from` belongs to; any unless given.
   *
   * @param options `ack`, `endsWithEpoch`, `schema`, `signal` and `timeoutMs`.
   * @example
   * ```ts
   * for await (const event of client.subscribe({ stream: "orders", from: { last: 10 } })) {
   *   if (event.type === "message") {
   *     console.log(event.sequence, event.data);
   *   }
   * }
   * ```
   */
  subscribe<S extends NameIn<Streams>, Data = Streams[S]>(
    params: SubscribeStreamParams & { stream: S },
    options?: SubscriptionOptions<Data>,
  ): Subscription<StreamEvent<Data>>;
  subscribe(
    params: SubscribeStreamParams | SubscribeConsumerParams,
    reading: Handler<StreamEvent> | Handler<ConsumerDelivery> | SubscriptionOptions = {},
    rest: HandlerOptions<never> = {},
  ): Subscription | Subscription<ConsumerDelivery> {
    const options = typeof reading === "function" ? rest : reading;
    const host = this.#followerHost();
    const isManual = options.ack === "manual";
    const { endsWithEpoch = false } = options;
    if ("consumer" in params) {
      const follow = (sink: SubscriptionSink<ConsumerDelivery>) =>
        this.#follow(new ConsumerFollower(host, params, { isManual, sink }), options.signal);
      return new Subscription(follow, readingOf<ConsumerDelivery>(reading, rest), options);
    }
    const follow = (sink: SubscriptionSink<StreamEvent>) =>
      this.#follow(new StreamFollower(host, params, { isManual, endsWithEpoch, sink }), options.signal);
    return new Subscription(follow, readingOf<StreamEvent>(reading, rest), options);
  }

  /**
   * Closes the client in order: delivers nothing more, waits until handlers are done and their events acked, then until
   * every call is settled and every object put or read, and closes the connection. What is not done within the timeout
   * rejects with Unavailable or OutcomeUnknown. A handler must not await this. It does not wait for loops: see
   * `Subscription.drain`. It waits for bodies that are being read: cancel those that are not wanted.
   *
   * @param timeoutMs How long to wait in all, in milliseconds; 10,000 unless given.
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
        const generation = this.#generation;
        if (this.#connection.state === "open") {
          this.#calls.request(request, () => isGone() || generation !== this.#generation);
        }
      },
      notify: (method, params) => this.#channel.notify(method, JSON.stringify(params)),
      attach: (subscription, follower) => this.#attached.set(subscription, follower),
      detach: (subscription) => this.#attached.delete(subscription),
      ended: (follower) => this.#followers.delete(follower),
      whyOffline: () => this.#connection.whyOffline,
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
    this.#generation += 1;
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
      } else if (one.method === "tokenExpiring") {
        this.#renewal.expiring();
      } else if (!dispatchNotification(this.#attached, one, frame.length)) {
        this.#connection.drop(`a notification came that is not of this protocol: ${one.method}`);
        return;
      }
    }
    this.#calls.flush();
    this.#publisher.schedule();
  }

  #lost(mayBeDone: boolean): void {
    this.#generation += 1;
    this.#renewal.stop();
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
      // Handlers may still make calls, such as publishes, until they are done.
      await waitAtMost(timeoutMs, Promise.all(handlers));
    }
    for (const follower of this.#followers) {
      follower.end();
    }
    await this.#pendingCalls.drain(closed(), deadlineAt - monotonicMs());
    this.#calls.close();
    this.#publisher.close();
    this.#renewal.stop();
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
