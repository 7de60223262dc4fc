/**
 * In flight and waiting together; new messages are held back beyond it. Twice the largest `maxInFlight`, and small
 * enough for the stored form, at most some 1.2 million characters, to stay below the 2 MB that a row may take.
 */
export const MAX_UNSETTLED_MESSAGES = 20_000;

/** The least that a message waits whose delivery failed on the way: long enough for a gateway to come up again. */
export const UNSURE_WAIT_MS = 1_000;

export type CursorConfig = {
  readonly ackWaitMs: number;
  /** At least 1; of the deliveries that count. */
  readonly maxDeliver: number;
  /** At least 1; 1 is strict order: nothing is handed out while an earlier message is unsettled. */
  readonly maxInFlight: number;
  /** Before the second delivery, the third, …; the last one repeats, an empty list waits not at all. */
  readonly backoffMs: readonly number[];
  /** MAX_UNSETTLED_MESSAGES unless given; at least `maxInFlight`. */
  readonly maxUnsettled?: number;
};

/** A stretch of the log, without gaps, as the owner read it. */
export type LogPage = {
  /** At or below the cursor's `nextSequence`. */
  readonly from: number;
  /** Inclusive. */
  readonly through: number;
  /** The existing sequences in it that match the consumer's filter, ascending. */
  readonly sequences: readonly number[];
};

export type DeliverRequest = {
  /** Whoever acks them: a subscription or a lease, by a name that is never used again after `release`. */
  readonly holder: string;
  /** The holder's own bound on what it has in flight; Infinity for none. */
  readonly maxInFlight: number;
  /** The most to hand out in this call. */
  readonly limit: number;
  /** Without it only redeliveries are handed out. */
  readonly page?: LogPage | undefined;
  readonly nowMs: number;
};

export type Delivery = { readonly sequence: number; readonly deliveryCount: number };

export type NakRequest = {
  readonly holder: string;
  readonly sequences: readonly number[];
  /** Instead of the backoff. */
  readonly delayMs?: number | undefined;
  readonly nowMs: number;
};

export type TermRequest = {
  readonly sequences: readonly number[];
  /** `term` unless given. */
  readonly reason?: string | undefined;
  readonly nowMs: number;
};

export type ReleaseRequest = {
  readonly holder: string;
  /** Whether it failed, perhaps because of what it had in flight, and did not leave in order. */
  readonly isLost: boolean;
  /**
   * What may not have been sent to it: that stays in flight until `undeliver`, `doubt` or another `release` tells, or its
   * ack deadline passes.
   */
  readonly underway?: ReadonlySet<number>;
  readonly nowMs: number;
};

export type DeadLetter = {
  readonly sequence: number;
  /** Those that did not count are among them. */
  readonly deliveries: number;
  /** `maxDeliver`, `term`, or what the holder said. */
  readonly reason: string;
  /** Ms since epoch. */
  readonly deadAt: number;
};

/** Matching messages that were deleted from the stream before they were settled. */
export type LostMessages = {
  /** The lowest and the highest of them; not everything between was lost. */
  readonly from: number;
  readonly to: number;
  readonly total: number;
};

export type CursorInfo = {
  /** Every matching message up to here is settled, dead or lost; a requeue takes it back. */
  readonly ackFloor: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Unsettled and handed out more than once. */
  readonly redelivered: number;
  readonly paused: boolean;
  readonly lost?: LostMessages | undefined;
};
