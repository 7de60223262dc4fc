import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import type { Stream } from "../../../src/stream/stream.ts";
import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { crash, faultGateway } from "../../harness/faults.ts";
import { range, untilListed } from "../../harness/objects.ts";

const CONSUMERS = range(1, 8).map((number) => `c${number}`);
/** Less for a consumer than one subscription may be sent, more for all than a turn delivers. */
const MESSAGES = 8;
const LARGE = "x".repeat(100_000);
/** A turn ends with the message that reaches an eighth of a megabyte. */
const MOST_OF_TURN = 2;

afterEach(() => {
  vi.restoreAllMocks();
});

const stub = (stream: string) => env.STREAM.getByName(stream);

/** A client that shares each consumer of a stream of large messages; all are paused. */
async function subscribed(stream: string): Promise<TestClient> {
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, MESSAGES).map(() => ({ data: LARGE })) });
  for (const consumer of CONSUMERS) {
    await client.call("createConsumer", { stream, consumer });
    await client.call("pauseConsumer", { stream, consumer, paused: true });
    await client.call("subscribe", { stream, consumer });
  }
  return client;
}

/** Resumes all consumers, each by a call of its own, and tells how many messages have been delivered then. */
function resumeAll(object: Stream, consumers: readonly string[]): number {
  consumers.forEach((consumer) => object.pauseConsumer(consumer, false));
  const infos = object.listConsumers();
  return "refused" in infos ? 0 : infos.reduce((sum, { inFlight }) => sum + inFlight, 0);
}

it("delivers what many calls make room for in turns, not at each of them", async () => {
  const stream = "delivery-turns";
  const client = await subscribed(stream);

  const delivered = await runInDurableObject(stub(stream), (object: Stream) => resumeAll(object, CONSUMERS));

  expect(delivered).toBeGreaterThan(0);
  expect(delivered).toBeLessThanOrEqual(MOST_OF_TURN);
  expect(await client.untilMessages(CONSUMERS.length * MESSAGES)).toHaveLength(CONSUMERS.length * MESSAGES);
});

it("goes on by the alarm with deliveries that a crash has interrupted", async () => {
  const stream = "delivery-turns-crash";
  const client = await subscribed(stream);
  await untilListed(stream);
  // No second turn comes.
  const wait = vi.spyOn(scheduler, "wait").mockReturnValue(new Promise(() => {}));
  await runInDurableObject(stub(stream), async (object, { storage }) => {
    resumeAll(object, CONSUMERS);
    await storage.sync();
    crash(object);
  }).catch(() => undefined);
  wait.mockRestore();

  const sequences = await client.untilMessages(CONSUMERS.length * MESSAGES);

  expect(new Set(sequences)).toEqual(new Set(range(1, MESSAGES)));
});

it("is done when every one of many consumers is at the end of the log", async () => {
  const stream = "delivery-turns-idle";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });
  for (const consumer of range(1, 100).map(String)) {
    await client.call("createConsumer", { stream, consumer, from: "new" });
    await client.call("subscribe", { stream, consumer });
  }
  await untilListed(stream);

  // While more is left to deliver there would be an alarm, in case that the next turn does not come.
  const alarm = await runInDurableObject(stub(stream), (_object, { storage }) => storage.getAlarm());
  expect(alarm).toBeNull();
});

/** The consumers that were delivered to, in order, when each delivery is acked before the next turn. */
async function deliveredTo(stream: string, consumers: readonly string[], messages: number): Promise<string[]> {
  const delivered: string[] = [];
  await faultGateway("deliverConsumer", (_deliver, push) => {
    delivered.push(...push.batches.map(({ holder }) => holder));
    return [];
  });
  const joined = { gateway: "delivery-turns", maxInFlight: 1 };
  const epoch = await runInDurableObject(stub(stream), async (object: Stream) => {
    for (const consumer of consumers) {
      object.createConsumer({ stream, consumer, maxInFlight: 1, from: "first" });
      object.pauseConsumer(consumer, true);
      await object.joinConsumer({ ...joined, consumer, holder: consumer });
    }
    return object.info()?.epoch ?? "";
  });
  const ackAll = (object: Stream) =>
    object.applyAcks(
      epoch,
      consumers.map((holder) => ({ kind: "ackThrough", holder, through: messages })),
    );
  await runInDurableObject(stub(stream), (object: Stream) => {
    vi.spyOn(scheduler, "wait").mockImplementation(async () => void ackAll(object));
    resumeAll(object, consumers);
    void ackAll(object);
  });
  await vi.waitUntil(() => delivered.length === messages * consumers.length, { timeout: 10_000 });
  return delivered;
}

it("delivers to each of two consumers that take one message at a time, which is all that a turn delivers", async () => {
  const [stream, consumers] = ["turns-of-large", ["a", "b"]];
  const client = await connect();
  for (let sequence = 0; sequence < MESSAGES; sequence += 1) {
    await client.call("publish", { stream, data: "x".repeat(140_000) });
  }

  const delivered = await deliveredTo(stream, consumers, MESSAGES);

  expect(new Set(delivered.slice(0, MESSAGES))).toEqual(new Set(consumers));
});

it("gives a lease more than a turn delivers", async () => {
  const stream = "turns-of-leases";
  const client = await connect();
  await client.call("createConsumer", { stream, consumer: "c" });
  await client.call("publishBatch", { stream, messages: range(1, 100).map(() => ({ data: "x".repeat(2_000) })) });

  const { messages } = await client.call("fetchMessages", { stream, consumer: "c", limit: 100 });

  expect(messages).toHaveLength(100);
});
