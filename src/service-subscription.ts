import { RpcTarget } from "cloudflare:workers";

import { ErrorCode, isRpcError } from "../rpc/index.ts";
import type {
  BindingClosed,
  BindingDelivery,
  BindingSubscribeResult,
  BindingSubscription,
  GapNotification,
  MessagesNotification,
  SubscribeResult,
} from "../rpc/index.ts";

import { errorObject } from "./json-rpc/server.ts";
import { GatewaySocket } from "./gateway-socket.ts";
import type { Notified } from "./gateway-socket.ts";

/** A function of the caller: called over RPC, and let go of by disposing of it. */
export type Handler = ((delivery: BindingDelivery) => Promise<void>) & Disposable;

/** Waits before a lost connection is made again, in milliseconds: up to the first, doubling up to the second. */
const RECONNECT_MS = { least: 100, most: 10_000 };

/** Answers after which another attempt, on another socket, may do. */
const PASSING: ReadonlySet<number> = new Set([
  ErrorCode.Unavailable,
  ErrorCode.OutcomeUnknown,
  ErrorCode.RateLimited,
  ErrorCode.Busy,
  ErrorCode.InternalError,
]);

/**
 * One stream followed for a caller by service binding. It lives in the Worker, which has no state to lose, and holds
 * two things: the caller's handler, and a socket to a gateway like any client's. So the order, the acks and the window
 * are those of every subscription, no Durable Object keeps a callback, and stream and gateway sleep between messages.
 */
export class ServiceSubscription extends RpcTarget implements BindingSubscription {
  readonly #env: Env;
  readonly #params: object;
  readonly #handler: Handler;
  readonly #closed = Promise.withResolvers<BindingClosed>();
  #isOver = false;
  /** False while it is not answered yet that, or whether, following goes on. */
  #isFollowing = false;
  #socket: GatewaySocket | undefined;
  /** What came is handled one after the other. */
  #handled: Promise<void> = Promise.resolve();
  #epoch = "";
  /** The next sequence to be handled, and the next one to come. */
  #next = 1;
  #coming = 1;

  /** Begins to follow; rejects with what the server refused. */
  static async begin(env: Env, params: object, handler: Handler): Promise<BindingSubscribeResult> {
    const followed = new ServiceSubscription(env, params, handler);
    try {
      const { subscription: _number, ...start } = await followed.#connect(params);
      followed.#next = start.nextSequence;
      followed.#coming = start.nextSequence;
      followed.#epoch = start.epoch;
      return { ...start, subscription: followed };
    } catch (error) {
      followed.#end("refused");
      throw error;
    }
  }

  private constructor(env: Env, params: object, handler: Handler) {
    super();
    this.#env = env;
    this.#params = params;
    this.#handler = handler;
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

  get #isOfConsumer(): boolean {
    return "consumer" in this.#params;
  }

  async #connect(params: object): Promise<SubscribeResult> {
    const socket = await GatewaySocket.open(this.#env, {
      notified: (from, notification) => this.#notified(from, notification),
      lost: (which) => this.#lost(which),
    });
    this.#socket = socket;
    if (this.#isOver) {
      socket.close();
    }
    const start = await socket.subscribe(params);
    this.#isFollowing = true;
    return start;
  }

  #notified(socket: GatewaySocket, notification: Notified): void {
    if (this.#isOver || socket !== this.#socket) {
      return;
    }
    switch (notification.method) {
      case "messages":
        this.#take(socket, notification.params);
        break;
      case "gap":
        this.#takeGap(notification.params);
        break;
      case "subscriptionClosed": {
        const { reason } = notification.params;
        this.#then(async () => this.#end(reason));
        break;
      }
    }
  }

  /** What was sent again because its ack is late has come already; a consumer's redelivery is told. */
  #take(socket: GatewaySocket, { subscription, messages }: MessagesNotification): void {
    const fresh = this.#isOfConsumer ? messages : messages.filter(({ sequence }) => sequence >= this.#coming);
    const last = fresh.at(-1);
    if (last === undefined) {
      return;
    }
    this.#coming = last.sequence + 1;
    this.#then(async () => {
      await this.#handler({ messages: fresh });
      this.#next = last.sequence + 1;
      socket.ack(
        this.#isOfConsumer
          ? { subscription, sequences: fresh.map(({ sequence }) => sequence) }
          : { subscription, through: last.sequence },
      );
    });
  }

  #takeGap({ from, to, reason }: Omit<GapNotification, "subscription">): void {
    this.#coming = Math.max(this.#coming, to + 1);
    this.#then(async () => {
      await this.#handler({ messages: [], gap: { from, to, reason } });
      this.#next = Math.max(this.#next, to + 1);
    });
  }

  /** Does something once all that came before is handled. */
  #then(next: () => Promise<void>): void {
    this.#handled = this.#after(this.#handled, next);
  }

  async #after(before: Promise<void>, next: () => Promise<void>): Promise<void> {
    await before;
    if (this.#isOver) {
      return;
    }
    try {
      await next();
    } catch {
      // The caller's own failure, which it knows of, or its end: there is nobody to call any more.
      this.#end("handlerFailed");
    }
  }

  /** A gateway was moved, deployed or crashed: once all that came is handled, following goes on from there. */
  #lost(socket: GatewaySocket): void {
    if (socket === this.#socket && this.#isFollowing && !this.#isOver) {
      this.#isFollowing = false;
      this.#then(() => this.#resume());
    }
  }

  async #resume(): Promise<void> {
    for (let waitMs = RECONNECT_MS.least; !this.#isOver; waitMs = Math.min(waitMs * 2, RECONNECT_MS.most)) {
      await scheduler.wait(Math.random() * waitMs);
      try {
        const position = { epoch: this.#epoch, from: { sequence: this.#next } };
        const { skipped } = await this.#connect(this.#isOfConsumer ? this.#params : { ...this.#params, ...position });
        if (skipped !== undefined) {
          this.#takeGap({ ...skipped, reason: "trimmed" });
        }
        return;
      } catch (error) {
        this.#socket?.close();
        if (isRpcError(error) && !PASSING.has(error.code)) {
          this.#end(error.code === ErrorCode.EpochChanged ? "streamDeleted" : "refused");
        } else if (!isRpcError(error)) {
          // Logged; the gateway may be back at the next attempt.
          errorObject(error);
        }
      }
    }
  }

  #end(reason: BindingClosed["reason"]): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#socket?.close();
    this.#handler[Symbol.dispose]();
    this.#closed.resolve({ reason });
  }
}
