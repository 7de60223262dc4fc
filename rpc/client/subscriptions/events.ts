/** A message as it is stored. */
type StoredMessage<Data> = {
  /** Its number in the stream: 1, 2, 3, … in the order of storing, never used again. */
  readonly sequence: number;
  /** When it was stored, in milliseconds since the epoch, by the server's clock. */
  readonly publishedAt: number;
  /** Its routing key, like `orders.eu.created`, if it was published with one. */
  readonly subject?: string | undefined;
  /** What was published: any JSON value, or what the option `schema` made of it. */
  readonly data: Data;
  /** The headers that it was published with. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The dedup id that it was published with. The client gives one to each publish that has none. */
  readonly id?: string | undefined;
};

/** A message of a stream as it is delivered. */
export type Delivery<Data = unknown> = StoredMessage<Data> & {
  /** Tells it from other events. */
  readonly type: "message";
  /** The epoch of the stream that its sequence belongs to; pass it to calls beside the sequence. */
  readonly epoch: string;
  /** Acks this message and all before it. Unless acks are manual, this happens when the handler is done. */
  ack(): void;
};

/** Sequences that will not be delivered: their messages are no longer in the stream. */
export type Gap = {
  /** Tells it from other events. */
  readonly type: "gap";
  /** The first of them. */
  readonly from: number;
  /** The last of them. */
  readonly to: number;
  /**
   * `trimmed`: they are below the stream's first message now; `deleted`: deleted one by one, while this follower was
   * behind; `skipped`: `from` asked for them, but they were deleted before.
   */
  readonly reason: "trimmed" | "deleted" | "skipped";
};

/**
 * The stream has a new epoch: it was `deleted` and made again, or `restored` to an earlier state. Sequences now mean other
 * messages, so state derived from the old epoch does not fit. The new epoch is followed from its first message. A deleted
 * stream that does not exist yet is made, as `subscribe` does.
 */
export type EpochChange = {
  /** Tells it from other events. */
  readonly type: "epochChanged";
  /** The epoch that is followed from here on; pass it to calls beside their sequences. */
  readonly epoch: string;
  /** What became of the old epoch. */
  readonly reason: "deleted" | "restored";
};

/** What a subscription of a stream delivers, each once and in order; `type` says which it is. */
export type StreamEvent<Data = unknown> = Delivery<Data> | Gap | EpochChange;

/**
 * A message of a consumer as it is delivered. Of `ack`, `nak` and `term` the first one counts. They throw InvalidParams for
 * a delay or reason out of range, and then nothing is sent.
 */
export type ConsumerDelivery<Data = unknown> = StoredMessage<Data> & {
  /** Tells it from other events. */
  readonly type: "message";
  /** How often the consumer has delivered this message, this time included: 1 for the first. */
  readonly deliveryCount: number;
  /** The epoch of the stream that its sequence belongs to; pass it to calls beside the sequence. */
  readonly epoch: string;
  /** Acks it: it is not delivered again. Unless acks are manual, this happens when the handler is done. */
  ack(): void;
  /** Gives it back for redelivery after `delayMs`, 0 to 86,400,000, or after the consumer's backoff unless given. */
  nak(delayMs?: number): void;
  /** Moves it to the dead letters: it is not delivered again. `reason`: 1 to 256 characters; `term` unless given. */
  term(reason?: string): void;
  /** Restarts its ack deadline, the consumer's `ackWaitMs`, because the work on it goes on. */
  working(): void;
};

/** Handles one event; the next one is delivered when it is done. When it throws, the event comes again: see `onError`. */
export type Handler<Event> = (event: Event) => void | Promise<void>;
