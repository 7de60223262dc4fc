import type { CursorConfig } from "./types.ts";

/** A message that was handed out, or put back for another try, and is neither settled nor dead. */
export type Unsettled = {
  readonly sequence: number;
  readonly state: "inFlight" | "waiting";
  /** Ms since epoch: the ack deadline in flight, the redelivery time while waiting. */
  readonly dueAt: number;
  /** How often it was handed out; 0 only while it waits: a dead letter that was put back, or what was never sent. */
  readonly deliveries: number;
  /** How many of them do not count against `maxDeliver`, since something else may have made them fail. */
  readonly uncounted: number;
  /** How often it was among several that came back from a holder that failed; no more than {@link SUSPECT_AFTER}. */
  readonly suspicion: number;
  /**
   * For one that was handed out again: the highest sequence that was handed out before it was. A new one is handed out
   * behind all lower sequences and before all higher ones.
   */
  readonly behind: number | undefined;
  /** Whom it was given to and who did not give it back, oldest first; in flight, the last one has it. */
  readonly holders: readonly string[];
};

/** A message of that much suspicion is delivered alone. Once is chance: the next failure is likely another one's. */
export const SUSPECT_AFTER = 2;

/** An `ackThrough` counts for this many holders of one message, the latest ones: it bounds the stored form. */
const MAX_REMEMBERED_HOLDERS = 4;

/** The message after one more delivery. */
export function handedOut(
  message: Unsettled,
  { holder, deadline, behind }: { holder: string; deadline: number; behind: number | undefined },
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

/** The message when nobody may ack it through a holder's `ackThrough` any more. */
export function withoutHolder(message: Unsettled, holder: string): Unsettled {
  return { ...message, holders: message.holders.filter((name) => name !== holder) };
}

/** Whether this holder has the message now, not merely had it once. */
export function isInFlightAt(holder: string, { state, holders }: Unsettled): boolean {
  return state === "inFlight" && holders.at(-1) === holder;
}

/** A message that was handed out never, or is to come as if it never was. */
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

/** The message when its last delivery does not count. */
export function excused(message: Unsettled): Unsettled {
  return { ...message, uncounted: message.uncounted + 1 };
}

/** The message when its last delivery failed for it or for one of those beside it. */
export function suspected(message: Unsettled): Unsettled {
  return { ...excused(message), suspicion: Math.min(message.suspicion + 1, SUSPECT_AFTER) };
}

/** Whether it is delivered only alone. */
export function isSuspect({ suspicion }: Unsettled): boolean {
  return suspicion >= SUSPECT_AFTER;
}

/** The deliveries that count against `maxDeliver`. */
export function countedOf({ deliveries, uncounted }: Unsettled): number {
  return deliveries - uncounted;
}

/** How long a message waits after a delivery that failed, which counts. */
export function backoffAfter(message: Unsettled, { backoffMs }: CursorConfig): number {
  return backoffMs[countedOf(message) - 1] ?? backoffMs.at(-1) ?? 0;
}
