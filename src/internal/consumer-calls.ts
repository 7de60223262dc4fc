/**
 * Params and results of native RPC between gateways and streams about consumers, by the rules of `calls.ts`. Messages are
 * JSON text.
 */

import type { Seen } from "./epoch.ts";
import type { LargeText } from "./pieces.ts";

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
export type FetchReply = LargeText & { epoch: string; lease: string };

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

/** How many sequences a command has; one counts as one where it does not say which. */
export function sizeOf(command: AckCommand): number {
  return "sequences" in command ? command.sequences.length : 1;
}

/** Messages for one subscription, in delivery order. */
export type DeliveryBatch = {
  holder: string;
  /** The sequence of the last of them. */
  last: number;
  text: string;
};

/**
 * What of a push was not sent: the holders that are no subscription of the gateway, and the indices of the batches whose
 * socket is full. An array of the former when there are none of the latter, or the stream does not take them.
 */
export type ConsumerPushReply = string[] | { unknown: string[]; full: number[] };

const SOCKET_CHARACTERS = 6;
const HOLDER_CHARACTERS = 8;

/**
 * A name for a subscription at its consumer, never used again. The subscriptions of one socket have the beginning of their
 * names in common ({@link socketOf}): when one of them is full, all are.
 *
 * @param socket The key of its socket: a UUID, as random as the rest.
 */
export function newHolder(socket: string): string {
  return socket.slice(0, SOCKET_CHARACTERS) + crypto.randomUUID().slice(-HOLDER_CHARACTERS);
}

/** What the names of a socket's subscriptions have in common. */
export function socketOf(holder: string): string {
  return holder.slice(0, SOCKET_CHARACTERS);
}

/** Batches for subscriptions of one gateway. */
export type ConsumerPush = {
  stream: string;
  epoch: string;
  batches: DeliveryBatch[];
  /** Whether the stream understands a reply that tells of full sockets; one of the version before does not. */
  takesFull?: true;
};
