import type { NotificationParams } from "../../methods/notifications.ts";
import type { SubscribeResult } from "../../schemas/subscription.ts";

import type { Request } from "../calls/call-queue.ts";
import type { Outcome } from "../calls/request-channel.ts";
import type { DurableStreamError } from "../error.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { SubscriptionSink } from "./subscription.ts";

/** What a follower needs of its client. */
export type FollowerHost = {
  /** Sends a request on the open socket. It is dropped when there is none, or when it `isGone` by its turn. */
  request(request: Request, isGone?: () => boolean): void;
  notify(method: string, params: object): void;
  /** Routes the notifications of a server subscription to its follower. */
  attach(subscription: number, to: Follower): void;
  detach(subscription: number): void;
  /** The follower has ended. */
  ended(follower: Follower): void;
  /** Why no socket is open; undefined when one is, or when no attempt has failed yet. */
  whyOffline(): DurableStreamError | undefined;
};

/**
 * Keeps a subscription going over any number of sockets. At most one server subscription is open at a time: a new one
 * on each socket, and on the same socket when a notification was lost or the server closed the last one.
 */
export abstract class Follower {
  readonly #host: FollowerHost;
  readonly #sink: Pick<SubscriptionSink<never>, "finish" | "ended">;
  /** The number of the open server subscription on its socket. */
  #subscription: number | undefined;
  /** Counts attempts to subscribe. An answer to an earlier attempt is stale. */
  #attempt = 0;
  #failures = 0;
  #retryTimer: Timer | undefined;
  protected isEnded = false;

  constructor(host: FollowerHost, sink: Pick<SubscriptionSink<never>, "finish" | "ended">) {
    this.#host = host;
    this.#sink = sink;
  }

  /** @param characters Length of the frame. */
  abstract receive(params: NotificationParams<"messages">, characters: number): void;
  abstract receiveGap(params: NotificationParams<"gap">): void;
  abstract receiveClosed(params: NotificationParams<"subscriptionClosed">): void;

  /** Params of the next `subscribe`. */
  protected abstract subscribeParams(): object;
  /** The server has answered `subscribe`. */
  protected abstract begun(answer: SubscribeResult): void;
  /** The server refused `subscribe` with an error that a retry does not change. */
  protected abstract refused(error: DurableStreamError): void;
  /** Sends every ack that is due on the open server subscription. */
  protected abstract flush(): void;
  /** The server subscription is gone: drops what belongs to it alone. */
  protected abstract left(): void;

  /** Subscribes on the open socket; without one it does nothing. */
  subscribe(): void {
    this.lost();
    const attempt = this.#attempt;
    const isGone = () => this.#attempt !== attempt;
    const params = JSON.stringify(this.subscribeParams());
    const settle = (outcome: Outcome) => this.#answered(outcome, isGone());
    this.#host.request({ method: "subscribe", params, settle }, isGone);
  }

  /** The socket or the server subscription is gone. An answer that is still to come is ignored. */
  lost(): void {
    this.left();
    stopTimer(this.#retryTimer);
    this.#attempt += 1;
    if (this.#subscription !== undefined) {
      this.#host.detach(this.#subscription);
      this.#subscription = undefined;
    }
  }

  /** Why no socket is open; undefined when one is, or when no attempt has failed yet. */
  whyOffline(): DurableStreamError | undefined {
    return this.#host.whyOffline();
  }

  /** Waits until the acks are stored. @returns Undefined when there is nothing to wait for. */
  store(): Promise<void> | undefined {
    return undefined;
  }

  /** Delivers nothing more. @returns When the handler is done and its acks are stored; undefined when both are already. */
  finish(): Promise<void> | undefined {
    const handled = this.#sink.finish();
    return handled === undefined ? this.store() : handled.then(() => this.store());
  }

  /** Ends it: sends the acks that are due, unsubscribes, and delivers nothing more. */
  end(error?: unknown): void {
    if (!this.isEnded) {
      this.isEnded = true;
      this.#unsubscribe();
      this.#host.ended(this);
      this.#sink.ended(error);
    }
  }

  /** Replaces the server subscription, because one of its notifications was lost. */
  protected resubscribe(): void {
    this.#unsubscribe();
    this.subscribe();
  }

  /** Sends a notification about the open server subscription; without one it is dropped. */
  protected notify(method: string, params: object): void {
    if (this.#subscription !== undefined) {
      this.#host.notify(method, { subscription: this.#subscription, ...params });
    }
  }

  #unsubscribe(): void {
    this.flush();
    const subscription = this.#subscription;
    this.lost();
    if (subscription !== undefined) {
      this.#requestEnd(subscription);
    }
  }

  #answered(outcome: Outcome, isGone: boolean): void {
    if (outcome.kind === "result") {
      // The contract's result of this very method.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const answer = outcome.result as SubscribeResult;
      if (isGone) {
        this.#requestEnd(answer.subscription);
        return;
      }
      this.#failures = 0;
      this.#subscription = answer.subscription;
      this.#host.attach(answer.subscription, this);
      this.begun(answer);
    } else if (outcome.kind === "error" && !isGone) {
      this.#refused(outcome.error);
    }
  }

  #refused(error: DurableStreamError): void {
    if (isRetryable(error)) {
      this.#failures += 1;
      this.#retryTimer = startTimer(pauseMs(error, this.#failures), () => this.subscribe());
    } else {
      this.refused(error);
    }
  }

  /** The answer does not matter: nothing listens to that server subscription any more. */
  #requestEnd(subscription: number): void {
    const params = JSON.stringify({ subscription });
    this.#host.request({ method: "unsubscribe", params, settle: () => undefined });
  }
}
