import { expect, test } from "vitest";

import { violations } from "./consumer-history.ts";
import type { ConsumerHistory, Delivery } from "./consumer-history.ts";

const LEFT_ALONE = 20_000;

function history(deliveries: Partial<Delivery>[], rest: Partial<ConsumerHistory> = {}): ConsumerHistory {
  return {
    messages: 1,
    maxInFlight: 2,
    sessionMaxInFlight: 2,
    ackWaitMs: 3_000,
    maxDeliver: 2,
    inFlight: [],
    outages: [],
    disturbances: [],
    deliveries: deliveries.map((delivery) => ({ session: "a#1", sequence: 1, deliveryCount: 1, at: 0, ...delivery })),
    ...rest,
  };
}

/** A delivery that was acked, and heard so. */
function acked(at: number, rest: Partial<Delivery> = {}): Partial<Delivery> {
  return { at, settledAt: at + 10, settledBy: "ack", confirmedAt: at + 20, ...rest };
}

test.each([
  ["one delivery, acked", history([acked(0)])],
  ["a redelivery after a socket's end", history([{ endedAt: 10 }, acked(20, { deliveryCount: 2 })])],
  ["a redelivery that crossed the ack", history([acked(0), { at: 500, deliveryCount: 2 }])],
  [
    "as many at once in another session, and more after an ack of an earlier delivery",
    history(
      [acked(0), { at: 5, session: "b#1", deliveryCount: 2, endedAt: 100 }, acked(15, { session: "b#1", sequence: 2 })],
      { messages: 2, sessionMaxInFlight: 1 },
    ),
  ],
  [
    "what a session holds that the server may have given back",
    history([acked(0), acked(1, { sequence: 2 }), acked(2, { sequence: 3 })], { messages: 3, disturbances: [1.5] }),
  ],
  ["an ack whose answer was lost", history([{ settledAt: 10, settledBy: "ack" }])],
  [
    "a redelivery late by an outage",
    history([{ endedAt: 10 }, acked(LEFT_ALONE, { deliveryCount: 2 })], { outages: [{ from: 10, to: 15_000 }] }),
  ],
])("finds nothing wrong with %s", (_name, kept) => {
  expect(violations(kept)).toEqual([]);
});

test.each([
  ["a message that never came", history([]), "never processed"],
  ["a message that nobody acked", history([{ settledAt: 5, settledBy: "nak" }]), "never processed"],
  ["a message back after its ack was confirmed", history([acked(0), { at: 5_000 }]), "after its ack was confirmed"],
  ["one delivery too many", history([acked(0, { deliveryCount: 3 })]), "was delivered 3 times"],
  ["a message left alone", history([{}, acked(LEFT_ALONE, { deliveryCount: 2 })]), "was left alone"],
  ["what was never published", history([acked(0), acked(0, { sequence: 2 })]), "never published"],
  [
    "too many in flight",
    history([acked(0), acked(1, { sequence: 2 }), acked(2, { sequence: 3 })], { messages: 3 }),
    "3 were in flight",
  ],
  [
    "too many held by one session",
    history([acked(0), acked(1, { sequence: 2 })], { messages: 2, sessionMaxInFlight: 1 }),
    "one session held 2",
  ],
  ["too many in flight as the server says", history([acked(0)], { inFlight: [3] }), "3 were in flight"],
])("finds %s", (_name, broken, violation) => {
  expect(violations(broken)).toContainEqual(expect.stringContaining(violation));
});
