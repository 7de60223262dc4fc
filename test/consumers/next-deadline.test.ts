import { expect, it } from "vitest";

import { consumerConfig } from "../../src/stream/consumers/config.ts";
import { Consumer } from "../../src/stream/consumers/consumer.ts";
import { UnsettledTotal } from "../../src/stream/consumers/cursor/unsettled-total.ts";

it("tells a redelivery time again when the clock goes back to before it", () => {
  const config = consumerConfig({});
  const consumer = Consumer.create(
    { id: 1, name: "c", config },
    { epoch: "e", nextSequence: 1, lastSequence: 1 },
    new UnsettledTotal(),
  );
  const page = { from: 1, through: 1, sequences: [1] };
  consumer.deliver({ holder: "h", maxInFlight: 1, limit: 1, page, nowMs: 0 });
  consumer.cursor.nak({ holder: "h", sequences: [1], delayMs: 1_000, nowMs: 0 });

  expect([500, 2_000, 500].map((nowMs) => consumer.nextDeadline(nowMs))).toEqual([1_000, Infinity, 1_000]);
});
