import type { CursorConfig } from "./types.ts";

/** A message that is in flight or waiting: delivered, or put back to be delivered again, and neither acked nor dead. */
export type Unsettled = {
  readonly sequence: number;
  readonly state: "inFlight" | "waiting";
  /** Ms since epoch: the ack deadline in flight, the redelivery time while waiting. */
  readonly dueAt: number;
  /**
   * Number of deliveries. 0 only while it waits: for a dead letter that was put back, or a delivery that was reverted.
   */
  readonly deliveries: number;
  /** How many of them do not count against `maxDeliver`, because something else may be the cause of the failure. */
  readonly uncounted: number;
  /** How often a holder failed while it had this message among several; at most {@link SUSPECT_AFTER}. */
  readonly suspicion: number;
  /**
   * For a redelivery: the highest sequence that was delivered before it. Undefined for a first delivery, which comes
   * after all lower sequences and before all higher ones.
   */
  readonly behind: number | undefined;
  /** The holders that got it and did not give it back, oldest first; while in flight, the last one has it. */
  readonly holders: readonly string[];
};

/** A message with this much suspicion is delivered alone. Once may be chance: usually another message was the cause. */
const SUSPECT_AFTER = 2;

/** The latest holders of a message whose `ackThrough` still acks it; bounds the size of the stored cursor. */
const MAX_REMEMBERED_HOLDERS = 4;

/** A new message after its first delivery. */
export function firstDelivered(
  sequence: number,
  { holders, deadline }: { holders: readonly string[]; deadline: number },
): Unsettled {
  return {
    sequence,
    state: "inFlight",
    dueAt: deadline,
    deliveries: 1,
    uncounted: 0,
    suspicion: 0,
    behind: undefined,
    holders,
  };
}

/** A message that waited, after its next delivery. */
export function delivered(
  message: Unsettled,
  { holder, deadline, behind }: { holder: string; deadline: number; behind: number },
): Unsettled {
  const { deliveries, holders } = withoutHolder(message, holder);
  return {
    ...message,
    state: "inFlight",
    dueAt: deadline,
    deliveries: deliveries + 1,
    behind,
    holders: [...holders, holder].slice(-MAX_REMEMBERED_HOLDERS),
  };
}

/** The message after this holder gave it back: the holder's `ackThrough` does not ack it any more. */
export function withoutHolder(message: Unsettled, holder: string): Unsettled {
  return { ...message, holders: message.holders.filter((name) => name !== holder) };
}

/** The last holder that got the message and did not give it back, which has it while it is in flight. */
export function holderOf({ holders }: Unsettled): string {
  return holders.at(-1) ?? "";
}

/** Whether this holder has the message now, and not only in the past. */
export function isInFlightAt(holder: string, message: Unsettled): boolean {
  return message.state === "inFlight" && holderOf(message) === holder;
}

/** A message that was never delivered, or is to be delivered as if it never was. */
export function newlyWaiting(sequence: number, nowMs: number): Unsettled {
  return {
    sequence,
    state: "waiting",
    dueAt: nowMs,
    deliveries: 0,
    uncounted: 0,
    suspicion: 0,
    behind: undefined,
    holders: [],
  };
}

/** The message with its last delivery not counted. */
export function excused(message: Unsettled): Unsettled {
  return { ...message, uncounted: message.uncounted + 1 };
}

/** The message after a delivery that failed because of it or of another one at the same holder. */
export function suspected(message: Unsettled): Unsettled {
  return { ...excused(message), suspicion: Math.min(message.suspicion + 1, SUSPECT_AFTER) };
}

/** Whether it is delivered alone. */
export function isSuspect({ suspicion }: Unsettled): boolean {
  return suspicion >= SUSPECT_AFTER;
}

/** Number of deliveries that count against `maxDeliver`. */
export function countedOf({ deliveries, uncounted }: Unsettled): number {
  return deliveries - uncounted;
}

/** How long a message waits after a failed delivery that counts. */
export function backoffAfter(message: Unsettled, { backoffMs }: CursorConfig): number {
  return backoffMs[countedOf(message) - 1] ?? backoffMs.at(-1) ?? 0;
}
