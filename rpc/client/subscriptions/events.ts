/** A message as it is stored. */
export type StoredMessage = {
  /** Its number in the stream: 1, 2, 3, … in the order of storing, never used again. */
  readonly sequence: number;
  /** When it was stored, in milliseconds since the epoch, by the server's clock. */
  readonly publishedAt: number;
  /** Its routing key, like `orders.eu.created`, if it was published with one. */
  readonly subject?: string | undefined;
  /** What was published: any JSON value. */
  readonly data: unknown;
  /** The pairs of strings that it was published with. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The id that it was published with, by which it is stored once; the client gives one to each publish. */
  readonly id?: string | undefined;
};

/** A message of a stream, as a handler gets it. */
export type Delivery = StoredMessage & {
  readonly type: "message";
  /** The life of the stream that its sequence is of: what a call passes beside a sequence. */
  readonly epoch: string;
  /** Says that this message and all before it are done. Without manual acks it is said when the handler is done. */
  ack(): void;
};

/** Sequences that will not come: the messages are not in the stream any more. */
export type Gap = {
  readonly type: "gap";
  /** The first of them. */
  readonly from: number;
  /** The last of them; nothing between the two comes. */
  readonly to: number;
  /**
   * `trimmed`: the stream begins behind them by now; `deleted`: one by one, while this follower was behind; `skipped`:
   * asked for, but deleted before.
   */
  readonly reason: "trimmed" | "deleted" | "skipped";
};

/**
 * The stream is not the one that was followed: it was `deleted`, or is `restored` to an earlier state, so that messages
 * that were handed on are not in it. What it is now is followed from its first message, and what was made of the old one
 * does not fit. Where nobody has made a deleted stream again yet, the follower does, as `subscribe` makes a stream that is
 * not there.
 */
export type EpochChange = {
  readonly type: "epochChanged";
  /** The life of the stream that is followed from here on: what a call passes beside its sequences. */
  readonly epoch: string;
  /** What became of the one that was followed. */
  readonly reason: "deleted" | "restored";
};

/** What a subscription of a stream hands on, in order, each once; `type` says which it is. */
export type StreamEvent = Delivery | Gap | EpochChange;

/**
 * A message of a consumer. Of `ack`, `nak` and `term` the first one counts; what the contract does not take as a delay or a
 * reason they throw back, as InvalidParams, and nothing is said then.
 */
export type ConsumerDelivery = StoredMessage & {
  readonly type: "message";
  /** How often the consumer has delivered this message, this time included: 1 for the first. */
  readonly deliveryCount: number;
  /** The life of the stream that its sequence is of: what a call passes beside a sequence. */
  readonly epoch: string;
  /** Says that it is done. Without manual acks it is said when the handler is done. */
  ack(): void;
  /** Gives it back, to be delivered again after so many milliseconds, 0 to 86,400,000, or the consumer's backoff. */
  nak(delayMs?: number): void;
  /** Moves it to the dead letters, with a reason of 1 to 256 characters: it is never delivered again. */
  term(reason?: string): void;
  /** Restarts its ack deadline, the consumer's `ackWaitMs`: it is being worked on. */
  working(): void;
};

/** What is done with an event; the next one comes when it is done. One that throws gets it again: see `onError`. */
export type Handler<Event> = (event: Event) => void | Promise<void>;
