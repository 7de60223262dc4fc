/**
 * What the workers of one consumer saw, and a checker that tells which promises it breaks. It knows nothing of how the
 * history came about. Times are milliseconds of one clock, that of the process all workers run in.
 */

/** One message that reached a worker, and what the worker did with it. */
export type Delivery = {
  /** Which socket of which worker it came on. */
  session: string;
  sequence: number;
  deliveryCount: number;
  at: number;
  /** When an ack or a nak was sent for it. */
  settledAt?: number;
  settledBy?: "ack" | "nak";
  /** When the answer came that says that its ack is stored. */
  confirmedAt?: number;
  /** When the worker's socket ended. */
  endedAt?: number;
};

export type ConsumerHistory = {
  messages: number;
  maxInFlight: number;
  /** The limit of each session's one subscription. */
  sessionMaxInFlight: number;
  ackWaitMs: number;
  maxDeliver: number;
  deliveries: Delivery[];
  /** In-flight counts that the consumer's info told meanwhile. */
  inFlight: number[];
  /** Times in which there was no server. */
  outages: { from: number; to: number }[];
  /** When sockets or pushes may have been lost at the server: it may have given back what clients still hold. */
  disturbances: number[];
};

/** What a delivery may take on its way without being taken for a broken promise. */
const TRANSIT_MS = 1_000;
const REDELIVERY_MS = 5_000;

/** Lists every promise the history breaks; empty when it keeps them all. */
export function violations(history: ConsumerHistory): string[] {
  const bySequence = Map.groupBy(history.deliveries, ({ sequence }) => sequence);
  const found: string[] = [];
  for (let sequence = 1; sequence <= history.messages; sequence += 1) {
    const deliveries = (bySequence.get(sequence) ?? []).toSorted((a, b) => a.at - b.at);
    found.push(...ofMessage(sequence, deliveries, history));
  }
  if (bySequence.size > history.messages) {
    found.push("messages came that were never published");
  }
  const most = Math.max(mostInFlight(history), ...history.inFlight);
  if (most > history.maxInFlight) {
    found.push(`${most} were in flight at once`);
  }
  const mostOfSession = mostInFlightOfSession(history);
  if (mostOfSession > history.sessionMaxInFlight) {
    found.push(`one session held ${mostOfSession} at once`);
  }
  return found;
}

/** The most messages that all workers certainly had in flight at once. */
export function mostInFlight(history: ConsumerHistory): number {
  return mostHeld(holdings(history));
}

/** The most messages that one session certainly had in flight at once, over all sessions. */
export function mostInFlightOfSession(history: ConsumerHistory): number {
  const bySession = Map.groupBy(holdings(history), ({ session }) => session);
  return Math.max(0, ...Array.from(bySession.values(), mostHeld));
}

type Holding = { session: string; from: number; until: number };

/**
 * For how long each delivery was in flight whatever the server knew and when: not from when an ack of its message was
 * sent by anyone, or its own nak was, its socket ended, the message came again, its deadline could have passed, or a
 * disturbance may have made the server give it back.
 */
function holdings(history: ConsumerHistory): Holding[] {
  const { ackWaitMs, disturbances, outages } = history;
  const lostAt = [...disturbances, ...outages.map(({ from }) => from)].toSorted((a, b) => a - b);
  return [...Map.groupBy(history.deliveries, ({ sequence }) => sequence).values()].flatMap((deliveries) => {
    const acks = deliveries.filter(({ settledBy }) => settledBy === "ack");
    const ackedAt = Math.min(...acks.map(({ settledAt = Infinity }) => settledAt));
    return deliveries.map(({ session, deliveryCount, at, settledAt = Infinity, endedAt = Infinity }) => {
      const later = deliveries.filter((other) => other.deliveryCount > deliveryCount);
      const again = Math.min(...later.map((other) => other.at));
      // A push that was lost for the stream may reach its worker a little later all the same.
      const lost = lostAt.find((time) => time >= at - TRANSIT_MS) ?? Infinity;
      // The deadline counts from when the stream handed it out, which was before it came.
      const deadline = at + ackWaitMs - TRANSIT_MS;
      const until = Math.min(ackedAt, settledAt, endedAt, again, lost, deadline);
      return { session, from: at, until: Math.max(at, until) };
    });
  });
}

function mostHeld(held: readonly Holding[]): number {
  const changes = held.flatMap(({ from, until }) => [
    { at: from, by: 1 },
    { at: until, by: -1 },
  ]);
  let now = 0;
  let most = 0;
  for (const { by } of changes.toSorted((a, b) => a.at - b.at || a.by - b.by)) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

function ofMessage(sequence: number, deliveries: readonly Delivery[], history: ConsumerHistory): string[] {
  const found: string[] = [];
  const confirmedAt = Math.min(...deliveries.map((delivery) => delivery.confirmedAt ?? Infinity));
  // An ack whose answer was lost may or may not be stored.
  const acks = deliveries.filter(({ settledBy }) => settledBy === "ack");
  const ackedAt = Math.min(...acks.map(({ settledAt = Infinity }) => settledAt));
  if (ackedAt === Infinity) {
    found.push(`${sequence} was never processed: ${JSON.stringify(deliveries)}`);
  }
  for (const [index, { at, deliveryCount, settledBy }] of deliveries.entries()) {
    if (at > confirmedAt + TRANSIT_MS) {
      found.push(`${sequence} came ${at - confirmedAt} ms after its ack was confirmed`);
    }
    if (deliveryCount > history.maxDeliver) {
      found.push(`${sequence} was delivered ${deliveryCount} times`);
    }
    const next = Math.min(deliveries[index + 1]?.at ?? Infinity, ackedAt);
    const allowed = history.ackWaitMs + REDELIVERY_MS + outageAfter(at, history);
    if (settledBy !== "ack" && next > at + allowed) {
      found.push(`${sequence} was left alone for ${next - at} ms after delivery ${deliveryCount}`);
    }
  }
  return found;
}

/** How long there was no server after a time, as far as a redelivery could be late by it. */
function outageAfter(at: number, { outages }: ConsumerHistory): number {
  return outages.filter(({ to }) => to > at).reduce((sum, { from, to }) => sum + to - from, 0);
}
