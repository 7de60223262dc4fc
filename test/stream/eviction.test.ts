import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, EVICTIONS, gatewayOf, range } from "../harness/objects.ts";

async function publish(client: TestClient, stream: string, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, data) => ({ data }));
  await client.call("publishBatch", { stream, messages });
}

it.each(EVICTIONS)(
  "misses and repeats nothing with the %s evicted at every step of a follow",
  async (name, evictNow) => {
    const stream = `evicts-${name.replaceAll(" ", "-")}`;
    const client = await connect();
    const publisher = await connect();
    await publish(publisher, stream, 5);
    await evictNow(stream, client);

    const { subscription } = await client.call("subscribe", { stream, maxInFlight: 4 });
    await client.untilMessages(4);
    await evictNow(stream, client);
    // With the window full, what comes now waits for the ack.
    await publish(publisher, stream, 5);
    await evictNow(stream, client);
    await client.call("ack", { subscription, through: 2 });
    await client.untilMessages(6);
    await evictNow(stream, client);
    await client.call("ack", { subscription, through: 6 });
    await client.untilMessages(10);
    await evictNow(stream, client);
    await client.call("ack", { subscription, through: 10 });
    await evictNow(stream, client);
    // Live again.
    for (let sequence = 11; sequence <= 14; sequence += 1) {
      await publish(publisher, stream, 1);
      await client.untilMessages(sequence);
      await evictNow(stream, client);
    }
    await client.call("unsubscribe", { subscription });
    await evictNow(stream, client);
    await publish(publisher, stream, 1);
    await client.call("getStreamInfo", { stream });

    expect(client.sequences()).toEqual(range(1, 14));
    let seen = 0;
    for (const { previous, messages } of client.of("messages")) {
      expect(previous).toBe(seen);
      seen = messages.at(-1)?.sequence ?? 0;
    }
    expect(client.of("gap")).toEqual([]);
    expect(client.closed).toBeUndefined();
  },
);

it("sends again after ackWaitMs, and closes after maxDeliver, with the gateway evicted in between", async () => {
  const stream = "evicted-deadlines";
  const client = await connect();
  const publisher = await connect();
  await publish(publisher, stream, 3);
  const gateway = await gatewayOf(client);

  await client.call("subscribe", { stream, maxInFlight: 2, ackWaitMs: 400, maxDeliver: 3 });
  await client.untilMessages(2);
  await evict(gateway);
  await client.untilMessages(4);
  await evict(gateway);
  await client.untilMessages(6);
  await evict(gateway);
  await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");

  expect(client.sequences()).toEqual([1, 2, 1, 2, 1, 2]);
});

it("keeps a filtered subscription's place over an eviction", async () => {
  const stream = "evicted-filter";
  const client = await connect();
  const publisher = await connect();
  const both = [
    { data: 0, subject: "a" },
    { data: 0, subject: "b" },
  ];
  await publisher.call("publishBatch", { stream, messages: [...both, ...both, ...both] });
  const gateway = await gatewayOf(client);

  const { subscription } = await client.call("subscribe", { stream, filter: "b", maxInFlight: 2 });
  await client.untilMessages(2);
  await evict(gateway);
  await client.call("ack", { subscription, through: 2 });
  await client.untilMessages(3);
  await evict(gateway);
  await publisher.call("publishBatch", { stream, messages: both });
  await client.call("ack", { subscription, through: 6 });
  await client.untilMessages(4);

  expect(client.sequences()).toEqual([2, 4, 6, 8]);
  expect(client.of("messages").map((params) => params.previous)).toEqual([0, 4, 6]);
});

it("goes on where it was for a client that reconnects after everything was reset", async () => {
  const stream = "resets";
  const first = await connect();
  await publish(first, stream, 3);
  const { epoch } = await first.call("subscribe", { stream });
  await first.untilMessages(3);

  await abortAllDurableObjects();
  const second = await connect();
  await second.call("subscribe", { stream, epoch, from: { sequence: 4 } });
  await publish(second, stream, 2);
  await second.untilMessages(2);
  await runInDurableObject(await gatewayOf(second), (_gateway, state) => {
    const rows = state.storage.sql.exec("SELECT socket FROM subscriptions").toArray();
    // The first client's went with its socket.
    expect(rows.length).toBeLessThanOrEqual(1);
  });

  expect(second.sequences()).toEqual([4, 5]);
});
