import { LIMITS } from "../../protocol/limits.ts";

import type { FollowerHost } from "./follower.ts";
import { deferred } from "../deferred.ts";
import type { Deferred } from "../deferred.ts";
import { isRetryable } from "../retry.ts";
import { stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { Outcome } from "../calls/request-channel.ts";

/** How long an ack may wait to be sent together with others. */
const DELAY_MS = 50;
/** How long after a retryable error acks are sent again. */
const RETRY_MS = 500;

/**
 * The acks of a consumer's messages, until the server has stored them. Acks are sent in groups. Those that a lost socket
 * left unanswered are sent again on the next socket, where they count as well.
 */
export class ConsumerAcks {
  readonly #host: FollowerHost;
  readonly #most: number;
  /** Acked here and not known to be stored, by sequence; `true` while its answer is pending. */
  readonly #acked = new Map<number, boolean>();
  #subscription: number | undefined;
  /** Resolves when every ack is stored. */
  #stored: Deferred<void> | undefined;
  /** Acks since the last flush. */
  #unsent = 0;
  #timer: Timer | undefined;

  constructor(host: FollowerHost, maxInFlight: number) {
    this.#host = host;
    this.#most = Math.max(1, Math.floor(maxInFlight / 2));
  }

  /** Whether a message is acked, and its ack is not known to be stored. */
  has(sequence: number): boolean {
    return this.#acked.has(sequence);
  }

  /** A server subscription is open: sends what was acked before. */
  begin(subscription: number): void {
    this.#subscription = subscription;
    this.flush();
  }

  /** The socket is gone: acks that were not answered are sent again on the next one. */
  lost(): void {
    this.#subscription = undefined;
    stopTimer(this.#timer);
    this.#timer = undefined;
    for (const sequence of this.#acked.keys()) {
      this.#acked.set(sequence, false);
    }
  }

  /** Sends every ack. @returns When they are stored, or the subscription has ended; undefined when there is none. */
  store(): Promise<void> | undefined {
    this.flush();
    if (this.#acked.size === 0) {
      return undefined;
    }
    this.#stored ??= deferred<void>();
    return this.#stored.promise;
  }

  /** Drops every ack: none is sent again, and nobody waits for one. */
  forget(): void {
    this.lost();
    this.#acked.clear();
    this.#resolveStored();
  }

  /** Acks a message. @param isIdle No other message is queued: the server may send more only after this ack. */
  ack(sequence: number, isIdle: boolean): void {
    this.#acked.set(sequence, false);
    this.#unsent += 1;
    if (isIdle || this.#unsent >= this.#most) {
      this.flush();
    } else {
      this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
    }
  }

  /** Sends all acks that have no answer pending. */
  flush(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
    const subscription = this.#subscription;
    if (subscription === undefined) {
      return;
    }
    this.#unsent = 0;
    const unsent = [...this.#acked].filter(([, isPending]) => !isPending).map(([sequence]) => sequence);
    // After lost sockets there may be more than one `ack` may hold.
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
    const isRetried = outcome.kind === "error" && isRetryable(outcome.error);
    for (const sequence of sequences) {
      if (isRetried && this.#acked.has(sequence)) {
        this.#acked.set(sequence, false);
      } else {
        this.#acked.delete(sequence);
      }
    }
    if (this.#acked.size === 0) {
      this.#resolveStored();
    }
    if (isRetried) {
      this.#timer ??= setTimeout(() => this.flush(), RETRY_MS);
    }
  }

  #resolveStored(): void {
    this.#stored?.resolve();
    this.#stored = undefined;
  }
}
