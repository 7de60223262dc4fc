import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { publishMany } from "../harness/consumers.ts";

/** What all consumers of a stream may have unsettled, and what each may in any case. */
const [TOTAL, LEAST_EACH] = [40_000, 200];
const EACH = 10_000;

it("holds new messages back from a consumer beyond what all may have unsettled, until others have acked", async () => {
  const stream = "unsettled-total";
  const client = await connect();
  await publishMany(client, stream, EACH);
  const consumers = Array.from({ length: TOTAL / EACH }, (_, index) => `c${index}`);
  const leases: { consumer: string; lease: string; sequences: number[] }[] = [];
  for (const consumer of [...consumers, "last"]) {
    await client.call("createConsumer", { stream, consumer, ackWaitMs: 3_600_000, maxInFlight: EACH });
  }
  const fetched = async (consumer: string) => {
    const { lease, messages } = await client.call("fetchMessages", { stream, consumer, limit: 500 });
    leases.push({ consumer, lease, sequences: messages.map(({ sequence }) => sequence) });
    return messages.length;
  };
  for (const consumer of consumers) {
    for (let count = 0; count < EACH; count += await fetched(consumer)) {
      // Goes on until it has all.
    }
  }

  expect(await fetched("last")).toBe(LEAST_EACH);
  expect(await fetched("last")).toBe(0);
  const { consumer = "", lease = "", sequences = [] } = leases[0] ?? {};
  await client.call("ackMessages", { stream, consumer, lease, sequences });
  expect(await fetched("last")).toBe(500 - LEAST_EACH);
  await client.call("deleteConsumer", { stream, consumer: "c3" });
  expect(await fetched("last")).toBe(500);
});
