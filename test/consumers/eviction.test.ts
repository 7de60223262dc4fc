import { env } from "cloudflare:workers";
import { abortAllDurableObjects } from "cloudflare:test";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { deliveries, publishMany, streamWithConsumer, untilDelivery } from "../harness/consumers.ts";
import { evict, EVICTIONS, range } from "../harness/objects.ts";

it.each(EVICTIONS)(
  "loses nothing and brings back nothing settled with the %s evicted at every step",
  async (name, evictNow) => {
    const stream = `evicts-${name.replaceAll(" ", "-")}`;
    const [client, publisher] = [await connect(), await connect()];
    const step = () => evictNow(stream, client);
    await streamWithConsumer(publisher, stream, 7, {
      maxInFlight: 4,
      ackWaitMs: 2_000,
      backoffMs: [50],
      maxDeliver: 2,
    });
    await step();

    const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
    await client.untilMessages(4);
    await step();
    await client.call("ack", { subscription, sequences: [1, 3] });
    await client.untilMessages(6);
    await step();
    await client.call("nak", { subscription, sequences: [2] });
    await client.untilMessages(7);
    await step();
    // That makes room for what waits.
    await client.call("term", { subscription, sequences: [4] });
    await untilDelivery(client, 2, 2);
    await step();
    await client.call("working", { subscription, sequences: [5] });
    await step();
    await client.call("ack", { subscription, through: 7 });
    await step();
    await publishMany(publisher, stream, 3);
    await client.untilMessages(11);
    await step();
    // Of the last three nothing is said: the alarm brings them back.
    await untilDelivery(client, 10, 2);
    await step();
    await client.call("ack", { subscription, sequences: [8, 9, 10] });
    await step();
    const info = await client.call("getConsumer", { stream, consumer: "c" });
    const { deadLetters } = await client.call("getDeadLetters", { stream, consumer: "c" });

    expect(
      deliveries(client)
        .filter(([, count]) => count === 1)
        .map(([sequence]) => sequence),
    ).toEqual(range(1, 10));
    expect(
      deliveries(client)
        .filter(([, count]) => count === 2)
        .map(([sequence]) => sequence),
    ).toEqual([2, 8, 9, 10]);
    expect(info).toMatchObject({ ackFloor: 10, inFlight: 0, pending: 0, deadLetters: 1, subscriptions: 1 });
    expect(deadLetters).toMatchObject([{ sequence: 4, deliveries: 1, reason: "term" }]);
  },
);

it("keeps its config, its position and its dead letters over an eviction", async () => {
  const client = await connect();
  const stream = "kept";
  await publishMany(client, stream, 5);
  await streamWithConsumer(client, stream, 5, { filter: "a.>", maxDeliver: 7, from: { sequence: 3 } });
  await client.call("pauseConsumer", { stream, consumer: "c", paused: true });
  const before = await client.call("getConsumer", { stream, consumer: "c" });

  await evict(env.STREAM.getByName(stream));

  expect(await client.call("getConsumer", { stream, consumer: "c" })).toEqual(before);
});

it("gives what a crashed gateway held to others when it comes up again", async () => {
  const [client, publisher] = [await connect(), await connect()];
  const stream = "crashes";
  await streamWithConsumer(publisher, stream, 3, { ackWaitMs: 60_000, backoffMs: [60_000] });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(3);
  await client.call("ack", { subscription, sequences: [2] });

  // Sockets do not survive it.
  await abortAllDurableObjects();
  const next = await connect();
  await next.call("subscribe", { stream, consumer: "c" });
  // Both gateways come up, and tell.
  await Promise.all(["local-0", "local-1"].map((name) => env.GATEWAY.getByName(name).consumerDeleted([])));
  await untilDelivery(next, 3, 2);

  expect(deliveries(next)).toEqual([
    [1, 2],
    [3, 2],
  ]);
});

it("notices by its next push that a gateway does not know a subscription", async () => {
  const client = await connect();
  const stream = "unknown";
  await streamWithConsumer(client, stream, 0, { ackWaitMs: 60_000 });
  const ghost = { consumer: "c", gateway: "local-0", holder: "ghost", maxInFlight: 10 };
  await env.STREAM.getByName(stream).joinConsumer(ghost);
  await publishMany(client, stream, 4);
  await expect
    .poll(async () => client.call("getConsumer", { stream, consumer: "c" }))
    .toMatchObject({ subscriptions: 0, inFlight: 0, pending: 4, redelivered: 0 });

  await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(4);

  // What was assigned to nobody was not delivered.
  expect(deliveries(client)).toEqual(range(1, 4).map((sequence) => [sequence, 1]));
});
