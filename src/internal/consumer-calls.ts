/** What gateways and streams say to each other of consumers, by native RPC. Messages are JSON text. */

/** A subscription that is to share a consumer. */
export type JoinCall = {
  consumer: string;
  gateway: string;
  /** The subscription's name at the consumer: short, and never used again. */
  holder: string;
  /** Most messages it may have in flight. */
  maxInFlight: number;
};

/** Where a consumer stands when a subscription joins it. */
export type JoinReply = { epoch: string; nextSequence: number; lastSequence: number };

/** Messages given to a new lease. */
export type FetchReply = { epoch: string; lease: string; text: string };

/** Which dead letters are asked for: at most so many, from a sequence on. */
export type DeadLetterPage = { from: number; limit: number };

/** What became of messages of one subscription, as its client says. */
export type AckCommand = { holder: string } & (
  | { kind: "ack"; sequences: number[] }
  | { kind: "ackThrough"; through: number }
  | { kind: "nak"; sequences: number[]; delayMs?: number | undefined }
  | { kind: "term"; sequences: number[]; reason?: string | undefined }
  | { kind: "working"; sequences: number[] }
  /**
   * The subscription is over: what it has in flight goes to others at once. `isLost` when its client failed, perhaps of
   * what it had; not when it left in order, or its gateway is what was lost.
   */
  | { kind: "release"; isLost: boolean }
);

/** Messages for one subscription, in the order of delivery. */
export type DeliveryBatch = {
  holder: string;
  /** The sequence of the last of them. */
  last: number;
  text: string;
};

/** Parcels for subscriptions of one gateway. */
export type ConsumerPush = { stream: string; epoch: string; batches: DeliveryBatch[] };
