import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { deliveries, publishMany, streamWithConsumer, untilDelivery } from "../harness/consumers.ts";
import { range } from "../harness/objects.ts";
import { setWait } from "../harness/waits.ts";

it("redelivers after ackWaitMs without an ack, and nothing that was acked", async () => {
  const client = await connect();
  await streamWithConsumer(client, "redelivers", 3);
  const startedAt = Date.now();

  const { subscription } = await client.call("subscribe", { stream: "redelivers", consumer: "c" });
  await client.untilMessages(3);
  await client.call("ack", { subscription, sequences: [2] });
  await untilDelivery(client, 3, 2);

  expect(deliveries(client)).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
    [1, 2],
    [3, 2],
  ]);
  // ackWaitMs and the first backoff.
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(2_100);
});

it("redelivers a naked message after its backoff, or after delayMs", async () => {
  const client = await connect();
  await streamWithConsumer(client, "naks", 2, { ackWaitMs: 60_000, backoffMs: [60_000] });
  const { subscription } = await client.call("subscribe", { stream: "naks", consumer: "c" });
  await client.untilMessages(2);

  await client.call("nak", { subscription, sequences: [1] });
  const parked = await client.call("getConsumer", { stream: "naks", consumer: "c" });
  const nakkedAt = Date.now();
  await client.call("nak", { subscription, sequences: [2], delayMs: 150 });
  await untilDelivery(client, 2, 2);
  const waitedMs = Date.now() - nakkedAt;

  // Parked messages take no place in flight.
  expect(parked).toMatchObject({ inFlight: 1, pending: 1 });
  expect(waitedMs).toBeGreaterThanOrEqual(150);
  expect(deliveries(client)).toEqual([
    [1, 1],
    [2, 1],
    [2, 2],
  ]);
});

it("redelivers large messages from far apart in the log, each once, when more are due than are read at once", async () => {
  const [client, stream] = [await connect(), "far-apart"];
  await client.call("createConsumer", { stream, consumer: "c", ackWaitMs: 60_000, maxInFlight: 1_000 });
  const large = Array.from({ length: 20 }, () => ({ data: "x".repeat(20_000) }));
  await client.call("publishBatch", { stream, messages: large });
  await publishMany(client, stream, 500);
  await client.call("publishBatch", { stream, messages: large });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c", maxInFlight: 1_000 });
  await client.untilMessages(540);
  await client.call("pauseConsumer", { stream, consumer: "c", paused: true });

  // By turns from both ends: the next that is due is never close to the one before.
  for (let index = 1; index <= 20; index += 1) {
    await client.call("nak", { subscription, sequences: [index], delayMs: 2 * index });
    await client.call("nak", { subscription, sequences: [index + 520], delayMs: 2 * index + 1 });
  }
  await client.call("pauseConsumer", { stream, consumer: "c", paused: false });
  await untilDelivery(client, 540, 2);

  const again = deliveries(client).filter(([, count]) => count > 1);
  expect(again.map(([sequence]) => sequence).toSorted((a, b) => a - b)).toEqual([...range(1, 20), ...range(521, 540)]);
});

it("waits longer before each redelivery, and moves a poison message to the dead letters after maxDeliver", async () => {
  const client = await connect();
  const config = { maxDeliver: 4, backoffMs: [50, 200], ackWaitMs: 60_000 };
  await streamWithConsumer(client, "poison", 3, config);
  const { subscription } = await client.call("subscribe", { stream: "poison", consumer: "c" });
  await client.untilMessages(3);
  await client.call("ack", { subscription, sequences: [1, 3] });

  const waits: number[] = [];
  for (const count of [1, 2, 3, 4]) {
    await untilDelivery(client, 2, count);
    const nakkedAt = Date.now();
    await client.call("nak", { subscription, sequences: [2] });
    if (count < 4) {
      await untilDelivery(client, 2, count + 1);
      waits.push(Date.now() - nakkedAt);
    }
  }
  // The others go on.
  await publishMany(client, "poison", 1);
  await untilDelivery(client, 4, 1);
  const { deadLetters } = await client.call("getDeadLetters", { stream: "poison", consumer: "c" });
  const info = await client.call("getConsumer", { stream: "poison", consumer: "c" });

  expect(deliveries(client).filter(([sequence]) => sequence === 2)).toHaveLength(4);
  expect(waits[0]).toBeGreaterThanOrEqual(50);
  expect(waits[1]).toBeGreaterThanOrEqual(200);
  expect(waits[2]).toBeGreaterThanOrEqual(200);
  expect(deadLetters).toEqual([{ sequence: 2, deliveries: 4, reason: "maxDeliver", deadAt: deadLetters[0]?.deadAt }]);
  expect(info).toMatchObject({ deadLetters: 1, inFlight: 1, pending: 0 });
  // It stays in the stream, and is delivered again when asked.
  expect(await client.call("retryDeadLetters", { stream: "poison", consumer: "c" })).toEqual({ count: 1 });
  await client.until(
    () => deliveries(client).filter(([sequence]) => sequence === 2)[4],
    "the dead letter to be delivered again",
  );
  expect(deliveries(client).at(-1)).toEqual([2, 1]);
  expect(await client.call("getDeadLetters", { stream: "poison", consumer: "c" })).toEqual({
    epoch: expect.any(String),
    deadLetters: [],
  });
});

it("moves a message that nobody ever acks to the dead letters by its alarm alone", async () => {
  const client = await connect();
  await streamWithConsumer(client, "ignored", 1, { ackWaitMs: 100, backoffMs: [], maxDeliver: 3 });
  await client.call("subscribe", { stream: "ignored", consumer: "c" });

  await untilDelivery(client, 1, 3);
  await client.until(() => deliveries(client)[2], "three deliveries");
  await expect
    .poll(async () => client.call("getConsumer", { stream: "ignored", consumer: "c" }))
    .toMatchObject({ deadLetters: 1, inFlight: 0, pending: 0 });

  expect(deliveries(client)).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
});

it("never delivers again what is termed, and keeps the reason", async () => {
  const client = await connect();
  await streamWithConsumer(client, "terms", 3, { ackWaitMs: 1_000 });
  const { subscription } = await client.call("subscribe", { stream: "terms", consumer: "c" });
  await client.untilMessages(3);

  await client.call("term", { subscription, sequences: [1] });
  await client.call("term", { subscription, sequences: [2], reason: "can not be parsed" });
  await untilDelivery(client, 3, 2);
  const { deadLetters } = await client.call("getDeadLetters", { stream: "terms", consumer: "c" });
  const later = await client.call("getDeadLetters", { stream: "terms", consumer: "c", from: 2 });

  expect(deliveries(client).map(([sequence]) => sequence)).toEqual([1, 2, 3, 3]);
  expect(deadLetters).toMatchObject([
    { sequence: 1, deliveries: 1, reason: "term" },
    { sequence: 2, deliveries: 1, reason: "can not be parsed" },
  ]);
  expect(later.deadLetters).toEqual(deadLetters.slice(1));
});

it("restarts the ack deadline of what is being worked on", async () => {
  const client = await connect();
  await streamWithConsumer(client, "working", 2, { ackWaitMs: 2_000, backoffMs: [] });
  const { subscription } = await client.call("subscribe", { stream: "working", consumer: "c" });
  await client.untilMessages(2);

  // Message 2 comes again at its deadline, which is before the renewed one of message 1.
  await expect
    .poll(() => Date.now(), { interval: 20 })
    .toBeGreaterThan((client.of("messages")[0]?.messages[0]?.publishedAt ?? 0) + 1_000);
  await client.call("working", { subscription, sequences: [1] });
  await untilDelivery(client, 2, 2);
  const atDeadlineOfTwo = deliveries(client);
  await untilDelivery(client, 1, 2);

  expect(atDeadlineOfTwo.filter(([sequence]) => sequence === 1)).toEqual([[1, 1]]);
});

it("takes a late ack of an earlier delivery, also of a message that has died meanwhile", async () => {
  const client = await connect();
  await streamWithConsumer(client, "late", 2, { ackWaitMs: 100, backoffMs: [60_000], maxDeliver: 2 });
  const { subscription } = await client.call("subscribe", { stream: "late", consumer: "c" });
  await client.untilMessages(2);
  await client.call("term", { subscription, sequences: [2] });
  await expect
    .poll(async () => client.call("getConsumer", { stream: "late", consumer: "c" }))
    .toMatchObject({ inFlight: 0, pending: 1, deadLetters: 1 });

  await client.call("ack", { subscription, sequences: [1, 2] });

  expect(await client.call("getConsumer", { stream: "late", consumer: "c" })).toMatchObject({
    inFlight: 0,
    pending: 0,
    deadLetters: 0,
    ackFloor: 2,
  });
});

it("delivers strictly in order with maxInFlight 1, waiting for each redelivery", async () => {
  const client = await connect();
  await streamWithConsumer(client, "strict", 4, { maxInFlight: 1, ackWaitMs: 1_000, backoffMs: [50] });
  const { subscription } = await client.call("subscribe", { stream: "strict", consumer: "c" });

  await untilDelivery(client, 1, 2);
  await client.call("ack", { subscription, sequences: [1] });
  await untilDelivery(client, 2, 1);
  await client.call("nak", { subscription, sequences: [2] });
  await untilDelivery(client, 2, 2);
  await client.call("ack", { subscription, through: 2 });
  await untilDelivery(client, 3, 1);
  await client.call("ack", { subscription, through: 3 });
  await untilDelivery(client, 4, 1);

  expect(deliveries(client)).toEqual([
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
    [3, 1],
    [4, 1],
  ]);
});

it("settles through a sequence only what this subscription was given", async () => {
  const [one, other] = [await connect(), await connect()];
  await streamWithConsumer(one, "through", 0, { ackWaitMs: 60_000 });
  const { subscription } = await one.call("subscribe", { stream: "through", consumer: "c" });
  await other.call("subscribe", { stream: "through", consumer: "c" });
  await publishMany(one, "through", 10);
  await one.untilMessages(5);
  await other.untilMessages(5);

  await one.call("ack", { subscription, through: 10 });

  expect([...one.sequences(), ...other.sequences()].toSorted((a, b) => a - b)).toEqual(range(1, 10));
  expect(await one.call("getConsumer", { stream: "through", consumer: "c" })).toMatchObject({ inFlight: 5 });
});

type StreamStub = ReturnType<typeof env.STREAM.getByName>;
type StreamCall = (stub: StreamStub, stream: string, epoch: string) => PromiseLike<unknown>;

/** How late an alarm is, in these tests, before it counts as lost. */
const LOST_AFTER_MS = 500;

const STREAM_CALLS: [name: string, call: StreamCall][] = [
  ["info", (stub) => stub.info()],
  ["readPage", (stub) => stub.readPage("first", 1, 1)],
  ["position", (stub, _stream, epoch) => stub.position("local-0", epoch, [])],
  ["getState", (stub) => stub.getState()],
  ["putState", (stub, stream) => stub.putState({ stream, state: "1" })],
  ["putState in conflict", (stub, stream) => stub.putState({ stream, state: "1", expectedRevision: 7 })],
  ["checkpoint in conflict", (stub, stream) => stub.checkpoint({ stream, state: "1", through: 99 })],
  [
    "publish of what is refused",
    (stub, stream) =>
      stub.publish({
        stream,
        bodies: ['"data":2}'],
        bytes: [9],
        counts: [1],
        expectations: [{ request: 0, lastSequence: 7 }],
      }),
  ],
];

describe("a lost alarm", () => {
  let restore: () => void;
  beforeAll(() => {
    restore = setWait("ALARM_LOST_MS", LOST_AFTER_MS);
  });
  afterAll(() => restore());

  // Without an eviction: a stream that wakes serves its consumers at once. Concurrent, for they all wait the same time.
  it.concurrent.each(STREAM_CALLS)("is re-armed by a call of %s", async (name, call) => {
    const client = await connect();
    const stream = `alarm-${name.replaceAll(" ", "-")}`;
    const stub = env.STREAM.getByName(stream);
    await streamWithConsumer(client, stream, 1, { ackWaitMs: 1_500, backoffMs: [] });
    const { epoch } = await client.call("subscribe", { stream, consumer: "c" });
    await client.untilMessages(1);
    await runInDurableObject(stub, async (_instance, { storage }) => storage.deleteAlarm());
    await expect
      .poll(() => Date.now(), { interval: 100 })
      .toBeGreaterThan((client.of("messages")[0]?.messages[0]?.publishedAt ?? 0) + 1_500 + LOST_AFTER_MS + 500);
    const before = deliveries(client).length;

    await call(stub, stream, epoch);
    await untilDelivery(client, 1, 2);

    expect(before).toBe(1);
  });
});

it("does nothing and does not throw when the alarm fires for nothing, or again", async () => {
  const client = await connect();
  await streamWithConsumer(client, "idempotent", 2, { ackWaitMs: 60_000 });
  await client.call("subscribe", { stream: "idempotent", consumer: "c" });
  await client.untilMessages(2);
  const before = await client.call("getConsumer", { stream: "idempotent", consumer: "c" });

  await runInDurableObject(env.STREAM.getByName("idempotent"), (instance) => {
    instance.alarm();
    instance.alarm();
  });

  expect(await client.call("getConsumer", { stream: "idempotent", consumer: "c" })).toEqual(before);
  expect(deliveries(client)).toHaveLength(2);
});
