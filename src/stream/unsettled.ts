import type { CursorConfig } from "./cursor-types.ts";

/** A message that was handed out, or put back for another try, and is neither settled nor dead. */
export type Unsettled = {
  readonly sequence: number;
  readonly state: "inFlight" | "waiting";
  /** Ms since epoch: the ack deadline in flight, the redelivery time while waiting. */
  readonly dueAt: number;
  /** 0 only while it waits: a dead letter that was put back, or what no delivery counts of. */
  readonly deliveries: number;
  /** Whom it was given to and who did not give it back, oldest first; in flight, the last one has it. */
  readonly holders: readonly string[];
};

/** An `ackThrough` counts for this many holders of one message, the latest ones: it bounds the stored form. */
const MAX_REMEMBERED_HOLDERS = 4;

/** The message after one more delivery. */
export function handedOut(message: Unsettled, holder: string, deadline: number): Unsettled {
  const { sequence, deliveries, holders } = withoutHolder(message, holder);
  return {
    sequence,
    state: "inFlight",
    dueAt: deadline,
    deliveries: deliveries + 1,
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

/** How long a message waits after a delivery that failed. */
export function backoffAfter({ deliveries }: Unsettled, { backoffMs }: CursorConfig): number {
  return backoffMs[deliveries - 1] ?? backoffMs.at(-1) ?? 0;
}
