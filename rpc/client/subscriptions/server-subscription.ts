import type { SubscribeResult } from "../../subscription.ts";

import type { DurableStreamError } from "../error.ts";
import type { Follower } from "./follower.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { Outcome, Request } from "../calls/request-channel.ts";

/** What a follower needs of its client. */
export type FollowerHost = {
  /** Sends a request on the socket there is, or drops it when there is none or it `isGone` by its turn. */
  request(request: Request, isGone?: () => boolean): void;
  notify(method: string, params: object): void;
  /** Has the notifications of a server subscription handed on. */
  attach(subscription: number, to: Follower): void;
  detach(subscription: number): void;
  /** It is over. */
  ended(follower: Follower): void;
};

/** Who wants to be subscribed. */
export type Subscriber = Follower & {
  /** Params of the next `subscribe`. */
  subscribeParams(): object;
  begun(answer: SubscribeResult): void;
  /** It was refused, and will be again unless something changes. */
  refused(error: DurableStreamError): void;
};

/** The subscription that a server holds for a follower: one at a time, each as long as its socket or until it is left. */
export class ServerSubscription {
  readonly #host: FollowerHost;
  readonly #subscriber: Subscriber;
  #number: number | undefined;
  /** Counts attempts to subscribe: an answer to an earlier one comes too late. */
  #attempt = 0;
  #failures = 0;
  #retryTimer: Timer | undefined;

  constructor(host: FollowerHost, subscriber: Subscriber) {
    this.#host = host;
    this.#subscriber = subscriber;
  }

  /** Its number at the server; undefined while there is none. */
  get number(): number | undefined {
    return this.#number;
  }

  /** Subscribes on the socket there is, if there is one. */
  open(): void {
    this.leave();
    const attempt = this.#attempt;
    const isGone = () => this.#attempt !== attempt;
    const params = JSON.stringify(this.#subscriber.subscribeParams());
    const settle = (outcome: Outcome) => this.#answered(outcome, isGone());
    this.#host.request({ method: "subscribe", params, settle }, isGone);
  }

  /** Forgets the server's side, and any answer that is still to come. */
  leave(): void {
    stopTimer(this.#retryTimer);
    this.#attempt += 1;
    if (this.#number !== undefined) {
      this.#host.detach(this.#number);
      this.#number = undefined;
    }
  }

  /** Has the server forget its side too. */
  unsubscribe(): void {
    const number = this.#number;
    this.leave();
    if (number !== undefined) {
      this.#requestEnd(number);
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
      this.#number = answer.subscription;
      this.#host.attach(answer.subscription, this.#subscriber);
      this.#subscriber.begun(answer);
    } else if (outcome.kind === "error" && !isGone) {
      this.#refused(outcome.error);
    }
  }

  #refused(error: DurableStreamError): void {
    if (isRetryable(error)) {
      this.#failures += 1;
      this.#retryTimer = startTimer(pauseMs(error, this.#failures), () => this.open());
    } else {
      this.#subscriber.refused(error);
    }
  }

  /** Whatever is answered: nothing is listened to on that subscription any more. */
  #requestEnd(subscription: number): void {
    const params = JSON.stringify({ subscription });
    this.#host.request({ method: "unsubscribe", params, settle: () => undefined });
  }
}
