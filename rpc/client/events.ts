import type { ConsumerMessage, Message } from "../message.ts";

/** A message, as a handler gets it. */
export type Delivery = Message & {
  readonly type: "message";
  /** The life of the stream that its sequence is of: what a call passes beside a sequence. */
  readonly epoch: string;
  /** Says that this message and all before it are done. Without manual acks it is said when the handler is done. */
  ack(): void;
};

/**
 * Sequences that will not come: `trimmed` and `deleted` while this follower was behind, `skipped` before it asked for
 * them.
 */
export type Gap = {
  readonly type: "gap";
  readonly from: number;
  readonly to: number;
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
  readonly epoch: string;
  readonly reason: "deleted" | "restored";
};

/** What a subscription hands on, in order, each once. */
export type StreamEvent = Delivery | Gap | EpochChange;

/**
 * A message of a consumer. Of `ack`, `nak` and `term` the first one counts; what the contract does not take as a delay or a
 * reason they throw back, as InvalidParams, and nothing is said then.
 */
export type ConsumerDelivery = ConsumerMessage & {
  readonly type: "message";
  /** The life of the stream that its sequence is of: what a call passes beside a sequence. */
  readonly epoch: string;
  /** Says that it is done. Without manual acks it is said when the handler is done. */
  ack(): void;
  /** Gives it back, to be delivered again after the consumer's backoff or so many milliseconds. */
  nak(delayMs?: number): void;
  /** Moves it to the dead letters, with a reason of up to 256 characters: it is never delivered again. */
  term(reason?: string): void;
  /** Restarts its ack deadline. */
  working(): void;
};

/** What is done with an event; the next one comes when it is done. One that throws gets it again: see `onError`. */
export type Handler<Event> = (event: Event) => void | Promise<void>;
