/**
 * In flight and waiting together; new messages are held back beyond it. Twice the largest `maxInFlight`, and small
 * enough for the stored form, at most some 1.2 million characters, to stay below the 2 MB that a row may take.
 */
export const MAX_UNSETTLED_MESSAGES = 20_000;

/** Least wait of a message that may not have reached its gateway: long enough for the gateway to restart. */
export const UNSURE_WAIT_MS = 1_000;

export type CursorConfig = {
  readonly ackWaitMs: number;
  /** At least 1; only deliveries that count are compared with it. */
  readonly maxDeliver: number;
  /** At least 1; 1 is strict order: nothing is delivered while an earlier message is unsettled. */
  readonly maxInFlight: number;
  /** Wait before the second delivery, the third, …; the last one repeats. Empty for no wait. */
  readonly backoffMs: readonly number[];
  /** MAX_UNSETTLED_MESSAGES unless given; at least `maxInFlight`. */
  readonly maxUnsettled?: number;
};

/** Where a cursor begins; see `ConsumerCursor`. */
export type CursorStart = { readonly nextSequence: number; readonly notBefore?: number | undefined };

/** A part of the log, without gaps, as the owner read it. */
export type LogPage = {
  /** At or below the cursor's `nextSequence`. */
  readonly from: number;
  /** Inclusive. */
  readonly through: number;
  /** The existing sequences in it that match the consumer's filter, ascending. */
  readonly sequences: readonly number[];
};

export type DeliverRequest = {
  /** Who is to ack them: the name of a subscription or a lease, never used again after `release`. */
  readonly holder: string;
  /** The holder's own bound on what it has in flight; Infinity for none. */
  readonly maxInFlight: number;
  /** Most deliveries of this call. */
  readonly limit: number;
  /** Without it only redeliveries are made. */
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
  /** Whether it failed, perhaps because of a message that it had in flight, instead of ending in order. */
  readonly isLost: boolean;
  /**
   * Sequences on their way to the holder: they stay in flight until `revertDelivery`, `markUncertain` or another
   * `release`, or their ack deadline.
   */
  readonly underway?: ReadonlySet<number>;
  readonly nowMs: number;
};

export type DeadLetter = {
  readonly sequence: number;
  /** All deliveries, also those that did not count. */
  readonly deliveries: number;
  /** `maxDeliver`, `term`, or the reason that the holder gave. */
  readonly reason: string;
  /** Ms since epoch. */
  readonly deadAt: number;
};

/** Matching messages that were deleted from the stream before they were acked or dead. */
export type LostMessages = {
  /** The lowest and the highest of them; not everything between was lost. */
  readonly from: number;
  readonly to: number;
  readonly total: number;
  /** There may be more: some were deleted that nobody counted. */
  readonly totalIsEstimate?: true;
};

export type CursorInfo = {
  /** Every matching message through this one is acked, dead or lost; a requeue lowers it again. */
  readonly ackFloor: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Unsettled messages that were delivered more than once. */
  readonly redelivered: number;
  readonly paused: boolean;
  readonly lost?: LostMessages | undefined;
};
