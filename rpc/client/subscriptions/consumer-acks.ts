import { LIMITS } from "../../limits.ts";

import type { FollowerHost } from "./follower.ts";
import { deferred } from "../calls/deferred.ts";
import type { Deferred } from "../calls/deferred.ts";
import { isRetryable } from "../retry.ts";
import { stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { Outcome } from "../calls/request-channel.ts";

/** How long what is done may wait for more to be told with it. */
const DELAY_MS = 50;
const RETRY_MS = 500;

/**
 * What was done with messages of a consumer, until the server has stored it. Acks go together; those that a lost socket
 * left unanswered are told again on the next one, where they count as much.
 */
export class ConsumerAcks {
  readonly #host: FollowerHost;
  readonly #most: number;
  /** Acked and not stored for certain; `true` while an answer is awaited. */
  readonly #acked = new Map<number, boolean>();
  #subscription: number | undefined;
  /** Somebody waits until every ack is stored. */
  #stored: Deferred<void> | undefined;
  #waiting = 0;
  #timer: Timer | undefined;

  constructor(host: FollowerHost, maxInFlight: number) {
    this.#host = host;
    this.#most = Math.max(1, Math.floor(maxInFlight / 2));
  }

  /** Whether a message is acked and the server may not know yet. */
  has(sequence: number): boolean {
    return this.#acked.has(sequence);
  }

  /** There is a subscription to tell it on. */
  begin(subscription: number): void {
    this.#subscription = subscription;
    this.flush();
  }

  /** The socket is gone: what was not answered is to be told again. */
  lost(): void {
    this.#subscription = undefined;
    stopTimer(this.#timer);
    this.#timer = undefined;
    for (const sequence of this.#acked.keys()) {
      this.#acked.set(sequence, false);
    }
  }

  /** Tells every ack. @returns When they are stored, or it is all over; undefined when there is none. */
  store(): Promise<void> | undefined {
    this.flush();
    if (this.#acked.size === 0) {
      return undefined;
    }
    this.#stored ??= deferred<void>();
    return this.#stored.promise;
  }

  /** What was acked is of no account any more. */
  forget(): void {
    this.lost();
    this.#acked.clear();
    this.#resolveStored();
  }

  /** A message is done. @param isIdle Nothing else is waiting to be done, so that more may come only after this. */
  ack(sequence: number, isIdle: boolean): void {
    this.#acked.set(sequence, false);
    this.#waiting += 1;
    if (isIdle || this.#waiting >= this.#most) {
      this.flush();
    } else {
      this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
    }
  }

  /** Tells all acks that are not on the way. */
  flush(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
    const subscription = this.#subscription;
    if (subscription === undefined) {
      return;
    }
    this.#waiting = 0;
    const unsent = [...this.#acked].filter(([, isOnTheWay]) => !isOnTheWay).map(([sequence]) => sequence);
    // After lost sockets it may be more than one ack may hold.
    for (let at = 0; at < unsent.length; at += LIMITS.maxInFlight) {
      const sequences = unsent.slice(at, at + LIMITS.maxInFlight);
      for (const sequence of sequences) {
        this.#acked.set(sequence, true);
      }
      const params = JSON.stringify({ subscription, sequences });
      this.#host.request({ method: "ack", params, settle: (outcome) => this.#answered(sequences, outcome) });
    }
  }

  #answered(sequences: readonly number[], outcome: Outcome): void {
    if (outcome.kind === "lost") {
      return;
    }
    const isToBeTold = outcome.kind === "error" && isRetryable(outcome.error);
    for (const sequence of sequences) {
      if (isToBeTold && this.#acked.has(sequence)) {
        this.#acked.set(sequence, false);
      } else {
        this.#acked.delete(sequence);
      }
    }
    if (this.#acked.size === 0) {
      this.#resolveStored();
    }
    if (isToBeTold) {
      this.#timer ??= setTimeout(() => this.flush(), RETRY_MS);
    }
  }

  #resolveStored(): void {
    this.#stored?.resolve();
    this.#stored = undefined;
  }
}
