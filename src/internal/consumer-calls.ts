/**
 * Params and results of native RPC between gateways and streams about consumers, by the rules of `calls.ts`. Messages are
 * JSON text.
 */

import type { Seen } from "./epoch.ts";

/** A subscription that joins a consumer. */
export type JoinCall = {
  consumer: string;
  gateway: string;
  /** The subscription's name at the consumer: short, and never reused. */
  holder: string;
  /** Most messages it may have in flight. */
  maxInFlight: number;
  /** The newest message that its client has had of the consumer. */
  seen?: Seen;
};

/** The position of a consumer when a subscription joins it. */
export type JoinReply = { epoch: string; nextSequence: number; lastSequence: number };

/** Messages that were fetched under a new lease. */
export type FetchReply = { epoch: string; lease: string; text: string };

/** A page of dead letters: at most `limit`, from a sequence on. */
export type DeadLetterPage = { from: number; limit: number };

/** What a client says about messages that its subscription holds. */
export type AckCommand = { holder: string } & (
  | { kind: "ack"; sequences: number[] }
  | { kind: "ackThrough"; through: number }
  | { kind: "nak"; sequences: number[]; delayMs?: number | undefined }
  | { kind: "term"; sequences: number[]; reason?: string | undefined }
  | { kind: "working"; sequences: number[] }
  /**
   * The subscription has ended: its messages in flight go to others at once. `isLost` when its client failed, possibly
   * because of one of them; not when it closed in order, or when its gateway was lost.
   */
  | { kind: "release"; isLost: boolean }
);

/** Messages for one subscription, in delivery order. */
export type DeliveryBatch = {
  holder: string;
  /** The sequence of the last of them. */
  last: number;
  text: string;
};

/** Batches for subscriptions of one gateway. */
export type ConsumerPush = { stream: string; epoch: string; batches: DeliveryBatch[] };
