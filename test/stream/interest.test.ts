import { env } from "cloudflare:workers";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { streamWithConsumer } from "../harness/consumers.ts";
import { faultStream } from "../harness/faults.ts";
import { announcement, evict, gatewayOf } from "../harness/objects.ts";

const MINUTE_MS = 60_000;

// Tests may meet on one gateway, which keeps the time of its next renewal: each goes beyond all before it.
let daysAhead = 0;

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Puts the clock beyond any time of renewal that a test has set on any gateway, in ms since the epoch. */
function leapAhead(): number {
  daysAhead += 1;
  const nowMs = Date.now() + daysAhead * 24 * 60 * MINUTE_MS;
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(nowMs);
  return nowMs;
}

async function leases(stream: string): Promise<{ name: string; expires_at: number }[]> {
  return runInDurableObject(env.STREAM.getByName(stream), (_stream, state) =>
    state.storage.sql.exec<{ name: string; expires_at: number }>("SELECT name, expires_at FROM gateways").toArray(),
  );
}

it("pushes to a gateway only while somebody there follows", async () => {
  const stream = "interest-ends";
  const client = await connect();
  const { subscription } = await client.call("subscribe", { stream });

  const followed = await client.call("getStreamInfo", { stream });
  await client.call("unsubscribe", { subscription });
  // The push that nobody wants ends the lease, once its answer is back.
  await client.call("publish", { stream, data: 1 });
  await vi.waitFor(async () => expect(await leases(stream)).toEqual([]), { timeout: 5000, interval: 20 });

  expect(followed.gateways).toBe(1);
});

it("follows again after the last follower had left", async () => {
  const stream = "interest-returns";
  const client = await connect();
  for (let round = 1; round <= 5; round += 1) {
    const { subscription } = await client.call("subscribe", { stream, from: "new" });
    // Sent together: the answer to the push and the next subscribe cross.
    const published = client.call("publish", { stream, data: round });
    await client.untilMessages(1, subscription);
    await published;
    const unsubscribed = client.call("unsubscribe", { subscription });
    const unwanted = client.call("publish", { stream, data: "unwanted" });
    await Promise.all([unsubscribed, unwanted]);
  }

  expect((await client.call("getStreamInfo", { stream })).lastSequence).toBe(10);
});

it("renews its leases before they end, also after it slept", async () => {
  const stream = "renews";
  const client = await connect();
  await client.call("subscribe", { stream });
  const gateway = await gatewayOf(client);
  const [before] = await leases(stream);
  const start = Date.now();
  vi.useFakeTimers({ toFake: ["Date"] });

  // Alarms come at 25 minutes or sooner: the first sets the time of renewal, the next ones keep it.
  for (let minutes = 25; minutes <= 150; minutes += 25) {
    vi.setSystemTime(start + minutes * MINUTE_MS);
    await evict(gateway);
    await runDurableObjectAlarm(gateway);
    // The alarm waits for no stream.
    await vi.waitFor(async () => expect((await leases(stream))[0]?.expires_at).toBeGreaterThan(Date.now()), 10_000);
  }
  const [after] = await leases(stream);

  expect(after?.name).toBe(before?.name);
  expect(after?.expires_at).toBeGreaterThan((before?.expires_at ?? 0) + 60 * MINUTE_MS);
});

it("ends a lease that was not renewed", async () => {
  const stream = "lease-ends";
  const client = await connect();
  await client.call("subscribe", { stream });
  await client.call("publish", { stream, data: 1 });
  await client.untilMessages(1);
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + 61 * MINUTE_MS);

  await client.call("publish", { stream, data: 2 });

  expect(await leases(stream)).toEqual([]);
});

it("closes subscriptions to an epoch that ended while their gateway could not be told", async () => {
  const stream = "told-late";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });
  const { subscription } = await client.call("subscribe", { stream });
  await client.untilMessages(1);
  await runInDurableObject(env.STREAM.getByName(stream), (_stream, state) => {
    state.storage.sql.exec("DELETE FROM gateways");
  });
  await evict(env.STREAM.getByName(stream));
  await client.call("deleteStream", { stream });
  await client.call("publish", { stream, data: "another epoch" });
  const silent = client.of("subscriptionClosed");

  await client.call("ack", { subscription, through: 1 });
  await runDurableObjectAlarm(await gatewayOf(client));
  leapAhead();
  await runDurableObjectAlarm(await gatewayOf(client));
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");

  expect(silent).toEqual([]);
  expect(closed).toEqual({ subscription, reason: "streamDeleted" });
});

it("closes subscriptions to an epoch that ended when a push of the next one comes, also if the stream fails to say so at first", async () => {
  const stream = "told-by-push";
  const client = await connect();
  const { subscription, epoch } = await client.call("subscribe", { stream });
  await runInDurableObject(env.STREAM.getByName(stream), (_stream, state) => {
    state.storage.sql.exec("DELETE FROM gateways");
  });
  await evict(env.STREAM.getByName(stream));
  await client.call("deleteStream", { stream });
  const next = await client.call("publish", { stream, data: "another epoch" });
  const gateway = await gatewayOf(client);
  let failures = 0;
  await faultStream("position", (position, ...args) => {
    if (args[1] === epoch && failures === 0) {
      failures += 1;
      throw new Error("a fault injected by a test");
    }
    return position(...args);
  });

  await gateway.deliver(announcement(stream, next.epoch, 1));
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");

  expect(failures).toBe(1);
  expect(closed).toEqual({ subscription, reason: "streamDeleted" });
});

it.each([
  [
    "consumerDeleted",
    async (client: TestClient, stream: string) => client.call("createConsumer", { stream, consumer: "c" }),
  ],
  [
    "streamDeleted",
    async (client: TestClient, stream: string) => {
      await client.call("deleteStream", { stream });
      return client.call("createConsumer", { stream, consumer: "c" });
    },
  ],
])("closes subscriptions of a consumer whose %s did not reach their gateway", async (reason, begin) => {
  const stream = `told-late-${reason}`;
  const client = await connect();
  await streamWithConsumer(client, stream, 0, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await runInDurableObject(env.STREAM.getByName(stream), (_stream, state) => {
    // Nobody is left to be told.
    state.storage.sql.exec("DELETE FROM consumer_subscriptions");
  });
  await evict(env.STREAM.getByName(stream));
  await client.call("deleteConsumer", { stream, consumer: "c" });
  await begin(client, stream);
  const silent = client.of("subscriptionClosed");

  const gateway = await gatewayOf(client);
  const leaptMs = leapAhead();
  // The first alarm sets the time of renewal, unless an earlier test has.
  for (const minutes of [0, 26]) {
    vi.setSystemTime(leaptMs + minutes * MINUTE_MS);
    await evict(gateway);
    await runDurableObjectAlarm(gateway);
  }
  const closed = await client.until(() => client.of("subscriptionClosed", subscription)[0], "subscriptionClosed");

  expect(silent).toEqual([]);
  expect(closed).toEqual({ subscription, reason });
});
