import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Stream } from "../../../src/stream/stream.ts";
import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { decreases, deliveries, noteTurns, publishMany } from "../../harness/consumers.ts";
import type { StoredConsumers } from "../../harness/consumers.ts";
import { crash } from "../../harness/faults.ts";
import { range, untilListed } from "../../harness/objects.ts";

const CONSUMERS = range(1, 4).map((number) => `c${number}`);
/** What each has in flight, which is all that it may have. */
const MESSAGES = 1_500;
/** What a turn takes back. */
const MOST_OF_TURN = 1_000;
const ACK_WAIT_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const stub = (stream: string) => env.STREAM.getByName(stream);

/** How many messages of all consumers are in flight by their first delivery. */
function firstInFlight({ unsettled }: StoredConsumers): number {
  return unsettled.flat().filter(({ state, deliveries: count }) => state === "inFlight" && count === 1).length;
}

type Overdue = { consumers?: readonly string[]; messages?: number; backoffMs?: number[] };

/** A client that has all messages of several consumers in flight, and their subscriptions; all of them are overdue. */
async function withOverdue(
  stream: string,
  { consumers = CONSUMERS, messages = MESSAGES, backoffMs = [] }: Overdue = {},
): Promise<{ client: TestClient; subscriptions: number[] }> {
  const client = await connect();
  await publishMany(client, stream, messages);
  const subscriptions: number[] = [];
  for (const consumer of consumers) {
    const config = { maxInFlight: messages, ackWaitMs: ACK_WAIT_MS, backoffMs, maxDeliver: 1 };
    await client.call("createConsumer", { stream, consumer, ...config });
    const { subscription } = await client.call("subscribe", { stream, consumer, maxInFlight: messages });
    subscriptions.push(subscription);
  }
  await client.untilMessages(consumers.length * messages);
  await untilListed(stream);
  vi.setSystemTime(Date.now() + ACK_WAIT_MS);
  return { client, subscriptions };
}

it("takes back in turns what many consumers have overdue, and delivers all of it again", async () => {
  const stream = "expiry-turns";
  const { client, subscriptions } = await withOverdue(stream);
  const turns = await noteTurns(stream);

  await client.call("getConsumer", { stream, consumer: "c1" });
  await client.untilMessages(2 * CONSUMERS.length * MESSAGES);

  expect(Math.max(...decreases(turns, firstInFlight))).toBeLessThanOrEqual(MOST_OF_TURN);
  for (const subscription of subscriptions) {
    const again = deliveries(client, subscription).filter(([, count]) => count === 2);
    expect(new Set(again.map(([sequence]) => sequence))).toEqual(new Set(range(1, MESSAGES)));
    expect(again).toHaveLength(MESSAGES);
  }
  const inFlight = turns.flatMap(({ unsettled }) =>
    unsettled.map((messages) => messages.filter(({ state }) => state === "inFlight").length),
  );
  expect(Math.max(...inFlight)).toBeLessThanOrEqual(MESSAGES);
});

it("blames no message for being the only one that a turn has left to its holder", async () => {
  const [stream, messages] = ["expiry-of-last", MOST_OF_TURN + 1];
  const { client } = await withOverdue(stream, { consumers: ["c"], messages, backoffMs: [ACK_WAIT_MS] });

  // It may fail by itself no more than once: then it would be a dead letter.
  await expect
    .poll(async () => client.call("getConsumer", { stream, consumer: "c" }))
    .toMatchObject({ inFlight: 0, pending: messages, deadLetters: 0 });
});

it("takes nothing more back at each of many calls while a turn is to come", async () => {
  const stream = "expiry-calls";
  await withOverdue(stream);
  const turns = await noteTurns(stream);

  await runInDurableObject(stub(stream), (object: Stream) => {
    range(1, 10).forEach(() => object.listConsumers());
  });

  const [before, after] = [turns[0], turns[10]];
  expect(before && firstInFlight(before)).toBe(CONSUMERS.length * MESSAGES);
  expect(after && firstInFlight(after)).toBe(CONSUMERS.length * MESSAGES - MOST_OF_TURN);
});

it("goes on by the alarm with what a crash has left overdue", async () => {
  const stream = "expiry-crash";
  const { client } = await withOverdue(stream, { backoffMs: [ACK_WAIT_MS] });
  // No second turn comes.
  const wait = vi.spyOn(scheduler, "wait").mockReturnValue(new Promise(() => {}));
  let alarm: number | null = null;
  await runInDurableObject(stub(stream), async (object, { storage }) => {
    object.alarm();
    await storage.sync();
    alarm = await storage.getAlarm();
    crash(object);
  }).catch(() => undefined);
  wait.mockRestore();

  expect(alarm).toBe(Date.now() + 1_000);
  await runDurableObjectAlarm(stub(stream));
  for (const consumer of CONSUMERS) {
    await expect
      .poll(async () => client.call("getConsumer", { stream, consumer }))
      .toMatchObject({ inFlight: 0, pending: MESSAGES, deadLetters: 0 });
  }
});
