import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import type { AckCommand } from "../../src/internal/consumer-calls.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import {
  deliveries,
  forgetSubjects,
  publishMany,
  publishSubjects,
  streamWithConsumer,
  untilDelivery,
} from "../harness/consumers.ts";
import { faultStream } from "../harness/faults.ts";
import { evict, range } from "../harness/objects.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Sockets on as many gateways as there are. */
async function connectToEachGateway(): Promise<TestClient[]> {
  const clients = new Map<string, TestClient>();
  while (clients.size < Number(env.GATEWAY_SHARDS)) {
    const client = await connect();
    const { connection } = await client.call("getServerInfo", {});
    clients.set(connection?.gateway ?? "", client);
  }
  return [...clients.values()];
}

/** Acks whatever comes on a subscription, until so many messages came. */
async function ackAll(client: TestClient, subscription: number, count: number): Promise<void> {
  for (let acked = 0; acked < count;) {
    const came = await client.untilMessages(acked + 1, subscription);
    client.notify("ack", { subscription, sequences: came.slice(acked) });
    acked = came.length;
  }
}

it("splits messages evenly between subscriptions on different gateways", async () => {
  const clients = await connectToEachGateway();
  const [first] = clients;
  if (first === undefined) {
    throw new Error("no gateway");
  }
  await streamWithConsumer(first, "even", 0, { ackWaitMs: 60_000 });
  for (const client of [...clients, first]) {
    await client.call("subscribe", { stream: "even", consumer: "c" });
  }

  await publishMany(first, "even", 99);
  const all = () => [...new Set(clients)].flatMap((client) => client.sequences());
  await expect.poll(() => all().length).toBe(99);

  // Two subscriptions of the first socket and one of the other.
  expect(clients.map((client) => client.sequences().length)).toEqual([66, 33]);
  expect(first.sequences(1)).toHaveLength(33);
  expect(all().toSorted((a, b) => a - b)).toEqual(range(1, 99));
});

it("takes turns when messages come one by one", async () => {
  const [one, other] = [await connect(), await connect()];
  await streamWithConsumer(one, "turns", 0, { ackWaitMs: 60_000 });
  await one.call("subscribe", { stream: "turns", consumer: "c" });
  await other.call("subscribe", { stream: "turns", consumer: "c" });

  for (let count = 0; count < 10; count += 1) {
    await publishMany(one, "turns", 1);
  }
  await expect.poll(() => one.sequences().length + other.sequences().length).toBe(10);

  expect([one.sequences().length, other.sequences().length]).toEqual([5, 5]);
});

it("gives to whoever has least in flight first", async () => {
  const [busy, idle] = [await connect(), await connect()];
  await streamWithConsumer(busy, "least", 4, { ackWaitMs: 60_000 });
  await busy.call("subscribe", { stream: "least", consumer: "c" });
  await busy.untilMessages(4);
  await idle.call("subscribe", { stream: "least", consumer: "c" });

  for (let count = 0; count < 4; count += 1) {
    await publishMany(busy, "least", 1);
  }
  await idle.untilMessages(4);

  expect(busy.sequences()).toHaveLength(4);
});

it("has never more in flight than the consumer or a subscription may", async () => {
  const [one, other] = [await connect(), await connect()];
  await streamWithConsumer(one, "bounds", 100, { maxInFlight: 10, ackWaitMs: 60_000 });
  const { subscription } = await one.call("subscribe", { stream: "bounds", consumer: "c", maxInFlight: 4 });
  await one.untilMessages(4);
  await other.call("subscribe", { stream: "bounds", consumer: "c", maxInFlight: 100 });
  await other.untilMessages(6);
  const full = await one.call("getConsumer", { stream: "bounds", consumer: "c" });

  await one.call("ack", { subscription, sequences: [1, 2] });
  await expect.poll(() => one.sequences().length + other.sequences().length).toBe(12);

  expect(full).toMatchObject({ inFlight: 10, pending: 90, subscriptions: 2 });
  expect(await one.call("getConsumer", { stream: "bounds", consumer: "c" })).toMatchObject({
    inFlight: 10,
    pending: 88,
  });
});

it("is not held up by a subscription that acks nothing", async () => {
  const [slow, quick] = [await connect(), await connect()];
  await streamWithConsumer(slow, "slow", 0, { maxInFlight: 20, ackWaitMs: 60_000 });
  await slow.call("subscribe", { stream: "slow", consumer: "c", maxInFlight: 5 });
  const { subscription } = await quick.call("subscribe", { stream: "slow", consumer: "c" });

  await publishMany(slow, "slow", 500);
  await ackAll(quick, subscription, 495);

  expect(slow.sequences()).toHaveLength(5);
});

it("splits what may be in flight evenly, however few they are for how many messages", async () => {
  const clients = [await connect(), await connect(), await connect(), await connect()];
  const [publisher] = clients;
  if (publisher === undefined) {
    throw new Error("no client");
  }
  await streamWithConsumer(publisher, "few", 0, { maxInFlight: 4, ackWaitMs: 60_000 });
  for (const client of clients) {
    await client.call("subscribe", { stream: "few", consumer: "c" });
  }

  await publishMany(publisher, "few", 100);
  const counts = () => clients.map((client) => client.sequences().length);
  await expect.poll(() => counts().reduce((sum, count) => sum + count)).toBe(4);

  expect(counts()).toEqual([1, 1, 1, 1]);
});

it.each([500, 3])("leaves a silent subscription at most its share, with messages in batches of %i", async (batch) => {
  const [silent, quick] = [await connect(), await connect()];
  const stream = `silent-${batch}`;
  await streamWithConsumer(silent, stream, 0, { maxInFlight: 20, ackWaitMs: 60_000 });
  await silent.call("subscribe", { stream, consumer: "c" });
  const { subscription } = await quick.call("subscribe", { stream, consumer: "c" });
  const total = batch === 500 ? 500 : 150;

  const acked = ackAll(quick, subscription, total - 10);
  for (let published = 0; published < total; published += batch) {
    await publishMany(silent, stream, batch);
  }
  await acked;

  expect(silent.sequences().length).toBeLessThanOrEqual(10);
});

it("gives a lone subscription everything, and those who stay the part of one that leaves", async () => {
  const [leaver, stayer] = [await connect(), await connect()];
  const stream = "parts";
  await streamWithConsumer(leaver, stream, 100, { maxInFlight: 20, ackWaitMs: 60_000 });
  const { subscription } = await leaver.call("subscribe", { stream, consumer: "c" });
  await leaver.untilMessages(20);

  await stayer.call("subscribe", { stream, consumer: "c" });
  await leaver.call("ack", { subscription, sequences: range(1, 15) });
  // One still holds 5 and the other none: 15 more make it 10 each.
  await leaver.untilMessages(25);
  await stayer.untilMessages(10);
  const shared = [leaver.sequences().length, stayer.sequences().length];
  leaver.close();
  await stayer.untilMessages(20);

  expect(shared).toEqual([25, 10]);
  expect(stayer.sequences()).toHaveLength(20);
});

it("keeps strict order among several subscriptions with maxInFlight 1", async () => {
  const clients = [await connect(), await connect(), await connect()];
  const [publisher] = clients;
  if (publisher === undefined) {
    throw new Error("no client");
  }
  const order: number[] = [];
  await streamWithConsumer(publisher, "one-by-one", 0, { maxInFlight: 1, ackWaitMs: 60_000 });
  const subscriptions = new Map<TestClient, number>();
  for (const client of clients) {
    subscriptions.set(client, (await client.call("subscribe", { stream: "one-by-one", consumer: "c" })).subscription);
  }

  await publishMany(publisher, "one-by-one", 12);
  while (order.length < 12) {
    await expect.poll(() => clients.reduce((sum, client) => sum + client.sequences().length, 0)).toBe(order.length + 1);
    const client = clients.find((one) => !order.includes(one.sequences().at(-1) ?? order[0] ?? 0)) ?? publisher;
    const sequence = client.sequences().at(-1) ?? 0;
    order.push(sequence);
    await client.call("ack", { subscription: subscriptions.get(client) ?? 0, sequences: [sequence] });
  }

  expect(order).toEqual(range(1, 12));
  expect(clients.map((client) => client.sequences().length)).toEqual([4, 4, 4]);
});

it("gives back what a closed socket held, at once, and counts it as delivered", async () => {
  const [leaver, stayer] = [await connect(), await connect()];
  await streamWithConsumer(leaver, "leaves", 3, { ackWaitMs: 60_000, backoffMs: [60_000], maxInFlight: 3 });
  const { subscription } = await leaver.call("subscribe", { stream: "leaves", consumer: "c" });
  await leaver.untilMessages(3);
  await stayer.call("subscribe", { stream: "leaves", consumer: "c" });

  // The ack is sent right before the close.
  leaver.notify("ack", { subscription, sequences: [2] });
  leaver.close();
  await untilDelivery(stayer, 3, 2);

  expect(deliveries(stayer)).toEqual([
    [1, 2],
    [3, 2],
  ]);
  expect(await stayer.call("getConsumer", { stream: "leaves", consumer: "c" })).toMatchObject({
    subscriptions: 1,
    redelivered: 2,
  });
});

it("gives back what an ended subscription held, and sends nothing on it any more", async () => {
  const client = await connect();
  await streamWithConsumer(client, "ends", 2, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream: "ends", consumer: "c" });
  await client.untilMessages(2);

  await client.call("unsubscribe", { subscription });
  const again = await client.call("subscribe", { stream: "ends", consumer: "c" });
  await client.untilMessages(2, again.subscription);

  expect(deliveries(client, again.subscription)).toEqual([
    [1, 2],
    [2, 2],
  ]);
  expect(client.sequences(subscription)).toEqual([1, 2]);
  expect((await client.callError("ack", { subscription, sequences: [1] })).data).toEqual({ what: "subscription" });
});

it("serves two consumers with different filters and a plain subscription of one stream at once", async () => {
  const client = await connect();
  const stream = "both";
  await client.call("createConsumer", { stream, consumer: "orders", filter: "orders.>" });
  await client.call("createConsumer", { stream, consumer: "eu", filter: "*.eu" });
  const orders = await client.call("subscribe", { stream, consumer: "orders" });
  const eu = await client.call("subscribe", { stream, consumer: "eu" });
  const all = await client.call("subscribe", { stream });

  await publishSubjects(client, stream, ["orders.eu", "orders.us", "users.eu", "users.us", "orders.eu"]);
  await client.untilMessages(5, all.subscription);
  await client.untilMessages(3, orders.subscription);
  await client.untilMessages(3, eu.subscription);
  await client.call("ack", { subscription: orders.subscription, sequences: [1, 2, 5] });

  expect(client.sequences(all.subscription)).toEqual([1, 2, 3, 4, 5]);
  expect(client.sequences(orders.subscription)).toEqual([1, 2, 5]);
  expect(client.sequences(eu.subscription)).toEqual([1, 3, 5]);
  expect(client.of("messages", all.subscription)[0]?.messages[0]).not.toHaveProperty("deliveryCount");
  expect(await client.call("listConsumers", { stream })).toMatchObject({
    consumers: [
      { consumer: "eu", inFlight: 3, pending: 0 },
      { consumer: "orders", inFlight: 0, pending: 0, ackFloor: 5 },
    ],
  });
});

it("ends its subscriptions when the consumer or the stream is deleted", async () => {
  const [one, other] = [await connect(), await connect()];
  const stream = "deleted";
  await streamWithConsumer(one, stream, 1);
  await one.call("createConsumer", { stream, consumer: "d" });
  const first = await one.call("subscribe", { stream, consumer: "c" });
  const second = await other.call("subscribe", { stream, consumer: "d" });
  await one.untilMessages(1);

  expect(await one.call("deleteConsumer", { stream, consumer: "c" })).toMatchObject({
    consumer: "c",
    subscriptions: 1,
  });
  const closed = await one.until(() => one.of("subscriptionClosed")[0], "the consumer to be deleted");
  await one.call("deleteStream", { stream });
  const over = await other.until(() => other.of("subscriptionClosed")[0], "the stream to be deleted");

  expect(closed).toEqual({ subscription: first.subscription, reason: "consumerDeleted" });
  expect(over).toEqual({ subscription: second.subscription, reason: "streamDeleted" });
  expect((await one.callError("unsubscribe", { subscription: first.subscription })).data).toEqual({
    what: "subscription",
  });
});

it("delivers no more text than may wait for one socket, and goes on with each ack", async () => {
  const client = await connect();
  const stream = "large";
  await client.call("createConsumer", { stream, consumer: "c", ackWaitMs: 60_000 });
  const data = "x".repeat(200_000);
  for (let count = 0; count < 12; count += 1) {
    await client.call("publish", { stream, data });
  }

  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(6);
  const full = await client.call("getConsumer", { stream, consumer: "c" });
  await client.call("ack", { subscription, through: 6 });
  await client.untilMessages(12);

  expect(full).toMatchObject({ inFlight: 6, pending: 6 });
  expect(Math.max(...client.frames.map((frame) => frame.length))).toBeLessThan(600_000);
});

it("does not let a consumer that can not be served keep a publish from being stored", async () => {
  const client = await connect();
  const stream = "unserved";
  await streamWithConsumer(client, stream, 1, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(1);
  const stub = env.STREAM.getByName(stream);
  await runInDurableObject(stub, (_instance, { storage }) => {
    storage.sql.exec("CREATE TRIGGER fail BEFORE UPDATE ON consumers BEGIN SELECT RAISE(ABORT, 'injected'); END");
  });

  const { sequence } = await client.call("publish", { stream, data: 2 });
  const refused = await client.callError("ack", { subscription, sequences: [1] });
  await runInDurableObject(stub, (_instance, { storage }) => {
    storage.sql.exec("DROP TRIGGER fail");
  });
  await client.call("ack", { subscription, sequences: [1] });
  await client.untilMessages(2);

  expect(sequence).toBe(2);
  expect(refused.code).toBe(-32_008);
  expect(deliveries(client)).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

/** Publishes more messages than one turn looks through, and then one with another subject. */
async function publishLong(client: TestClient, stream: string): Promise<void> {
  const messages = Array.from({ length: 500 }, () => ({ data: 0, subject: "common" }));
  for (let count = 0; count < 70; count += 1) {
    await client.call("publishBatch", { stream, messages });
  }
  await client.call("publish", { stream, data: 1, subject: "rare" });
}

it("crosses a long stretch of the log that does not match", { timeout: 60_000 }, async () => {
  const client = await connect();
  const stream = "long";
  await publishLong(client, stream);
  await client.call("createConsumer", { stream, consumer: "c", filter: "rare" });
  await client.call("createConsumer", { stream, consumer: "fetched", filter: "rare" });
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => forgetSubjects(storage));

  await client.call("subscribe", { stream, consumer: "c" });
  const { messages } = await client.call("fetchMessages", { stream, consumer: "fetched" });

  expect(await client.untilMessages(1)).toEqual([35_001]);
  expect(messages.map(({ sequence }) => sequence)).toEqual([35_001]);
});

it("serves the other consumers before one that has used up a turn", { timeout: 60_000 }, async () => {
  const client = await connect();
  const stream = "turn-used-up";
  await publishLong(client, stream);
  const consumers = [
    { stream, consumer: "long", filter: "rare" },
    { stream, consumer: "short", maxInFlight: 1 },
  ];
  const subscriptions: number[] = [];
  for (const consumer of consumers) {
    await client.call("createConsumer", consumer);
    await client.call("pauseConsumer", { stream, consumer: consumer.consumer, paused: true });
    const { subscription } = await client.call("subscribe", { stream, consumer: consumer.consumer });
    subscriptions.push(subscription);
  }

  await evict(env.STREAM.getByName(stream));
  // In one event, so that the alarm has no turn between.
  await runInDurableObject(env.STREAM.getByName(stream), (instance, { storage }) => {
    forgetSubjects(storage);
    instance.pauseConsumer("long", false);
    instance.pauseConsumer("short", false);
  });
  await client.untilMessages(2);

  expect(client.of("messages").map(({ subscription }) => subscription)).toEqual(subscriptions.toReversed());
});

it("sends the acks that come one by one as one command, in their order to all others", async () => {
  const client = await connect();
  await streamWithConsumer(client, "gathered", 6, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream: "gathered", consumer: "c" });
  await client.untilMessages(6, subscription);
  const stored: AckCommand[] = [];
  await faultStream("applyAcks", async (original, epoch, commands, seen) => {
    // What comes meanwhile goes in the next call.
    await scheduler.wait(100);
    stored.push(...commands);
    return original(epoch, commands, seen);
  });

  client.notify("ack", { subscription, sequences: [1] });
  client.notify("ack", { subscription, sequences: [2] });
  client.notify("ack", { subscription, sequences: [3, 4] });
  client.notify("nak", { subscription, sequences: [5], delayMs: 60_000 });
  client.notify("ack", { subscription, sequences: [6] });
  await expect.poll(() => stored.length).toBe(4);

  expect(stored).toMatchObject([
    { kind: "ack", sequences: [1] },
    { kind: "ack", sequences: [2, 3, 4] },
    { kind: "nak", sequences: [5], delayMs: 60_000 },
    { kind: "ack", sequences: [6] },
  ]);
});
