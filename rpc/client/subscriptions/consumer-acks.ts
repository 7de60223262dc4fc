import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";

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

/** What the server is told of a message. */
type Told = { readonly method: "ack" | "term"; readonly reason?: string | undefined; isPending: boolean };

/**
 * The acks and terms of a consumer's messages, until the server has stored them. Acks are sent in groups, each term alone
 * and at once. Those that a lost socket left unanswered are sent again on the next socket, where they count as well.
 */
export class ConsumerAcks {
  readonly #host: FollowerHost;
  readonly #most: number;
  /** Acked or termed here and not known to be stored, by sequence. */
  readonly #told = new Map<number, Told>();
  #subscription: number | undefined;
  /** Resolves when all of them are stored. */
  #stored: Deferred<void> | undefined;
  /** Acks since the last flush. */
  #unsent = 0;
  #timer: Timer | undefined;

  constructor(host: FollowerHost, maxInFlight: number) {
    this.#host = host;
    this.#most = Math.max(1, Math.floor(maxInFlight / 2));
  }

  /** Whether a message is acked or termed, and that is not known to be stored. */
  has(sequence: number): boolean {
    return this.#told.has(sequence);
  }

  /** A server subscription is open: sends what was acked and termed before. */
  begin(subscription: number): void {
    this.#subscription = subscription;
    this.flush();
  }

  /** The socket is gone: what was not answered is sent again on the next one. */
  lost(): void {
    this.#subscription = undefined;
    stopTimer(this.#timer);
    this.#timer = undefined;
    for (const told of this.#told.values()) {
      told.isPending = false;
    }
  }

  /** Sends every ack and term. @returns When they are stored, or the subscription has ended; undefined when there is none. */
  store(): Promise<void> | undefined {
    this.flush();
    if (this.#told.size === 0) {
      return undefined;
    }
    this.#stored ??= deferred<void>();
    return this.#stored.promise;
  }

  /** Drops every ack and term: none is sent again, and nobody waits for one. */
  forget(): void {
    this.lost();
    this.#told.clear();
    this.#resolveStored();
  }

  /** Acks a message. @param isIdle No other message is queued: the server may send more only after this ack. */
  ack(sequence: number, isIdle: boolean): void {
    this.#told.set(sequence, { method: "ack", isPending: false });
    this.#unsent += 1;
    if (isIdle || this.#unsent >= this.#most) {
      this.flush();
    } else {
      this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
    }
  }

  /** Makes a message a dead letter. */
  term(sequence: number, reason: string | undefined): void {
    this.#told.set(sequence, { method: "term", reason, isPending: false });
    this.flush();
  }

  /** Sends all acks and terms that have no answer pending. */
  flush(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
    if (this.#subscription === undefined) {
      return;
    }
    this.#unsent = 0;
    const acked: number[] = [];
    for (const [sequence, { method, reason, isPending }] of this.#told) {
      if (!isPending && method === "term") {
        this.#send(method, { sequences: [sequence], reason });
      } else if (!isPending) {
        acked.push(sequence);
      }
    }
    // After lost sockets there may be more than one `ack` may hold.
    for (let at = 0; at < acked.length; at += CLIENT_LIMITS.maxInFlight) {
      this.#send("ack", { sequences: acked.slice(at, at + CLIENT_LIMITS.maxInFlight) });
    }
  }

  #send(
    method: Told["method"],
    command: { readonly sequences: readonly number[]; readonly reason?: string | undefined },
  ) {
    const { sequences } = command;
    for (const sequence of sequences) {
      const told = this.#told.get(sequence);
      if (told !== undefined) {
        told.isPending = true;
      }
    }
    const params = JSON.stringify({ subscription: this.#subscription, ...command });
    this.#host.request({ method, params, settle: (outcome) => this.#answered(sequences, outcome) });
  }

  #answered(sequences: readonly number[], outcome: Outcome): void {
    if (outcome.kind === "lost") {
      return;
    }
    const isRetried = outcome.kind === "error" && isRetryable(outcome.error);
    for (const sequence of sequences) {
      const told = this.#told.get(sequence);
      if (isRetried && told !== undefined) {
        told.isPending = false;
      } else {
        this.#told.delete(sequence);
      }
    }
    if (this.#told.size === 0) {
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
