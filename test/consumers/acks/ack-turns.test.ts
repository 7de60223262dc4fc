import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { sizeOf } from "../../../src/internal/consumer-calls.ts";
import { connect } from "../../harness/client.ts";
import {
  decreases,
  deliveries,
  noteTurns,
  publishMany,
  streamWithConsumer,
  untilDelivery,
} from "../../harness/consumers.ts";
import type { StoredConsumers } from "../../harness/consumers.ts";
import { faultGateway, faultStream } from "../../harness/faults.ts";
import { evict, range } from "../../harness/objects.ts";

const MESSAGES = 5_000;
/** What a turn acks. */
const MOST_OF_TURN = 2_000;
const LONG = { ackWaitMs: 60_000, backoffMs: [60_000], maxInFlight: MESSAGES };

afterEach(() => {
  vi.restoreAllMocks();
});

function inFlight({ unsettled }: StoredConsumers): number {
  return unsettled.flat().filter(({ state }) => state === "inFlight").length;
}

/** A client that has all messages of consumer `c` in flight. */
async function withAllInFlight(stream: string) {
  const client = await connect();
  await streamWithConsumer(client, stream, MESSAGES, LONG);
  const { subscription } = await client.call("subscribe", { stream, consumer: "c", maxInFlight: MESSAGES });
  await client.untilMessages(MESSAGES);
  return { client, subscription, turns: await noteTurns(stream) };
}

it.each(["ack", "nak", "term"] as const)("applies a large %s in turns", async (method) => {
  const stream = `large-${method}`;
  const { client, subscription, turns } = await withAllInFlight(stream);

  await client.call(method, { subscription, sequences: range(1, MESSAGES) });

  expect(Math.max(...decreases(turns, inFlight))).toBeLessThanOrEqual(MOST_OF_TURN);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({
    inFlight: 0,
    pending: method === "nak" ? MESSAGES : 0,
    deadLetters: method === "term" ? MESSAGES : 0,
  });
});

it("keeps the order of commands that are applied in turns", async () => {
  const stream = "ordered-turns";
  const { client, subscription, turns } = await withAllInFlight(stream);
  const sequences = range(1, MESSAGES);
  const call = (method: string, id: number) => ({ jsonrpc: "2.0", id, method, params: { subscription, sequences } });

  const answers = await client.exchange(JSON.stringify([call("term", 1), call("ack", 2), call("nak", 3)]));

  expect(answers).toMatchObject([{ id: 1 }, { id: 2 }, { id: 3 }].map((answer) => ({ ...answer, result: {} })));
  // More were dead letters than a turn makes, and the ack takes back every one.
  expect(Math.max(...turns.map(({ deadLetters }) => deadLetters))).toBeGreaterThan(MOST_OF_TURN);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ deadLetters: 0, pending: 0 });
});

it("acks through a sequence what its client was given before, and not what it gave back in the same call", async () => {
  const stream = "given-back";
  const { client, subscription } = await withAllInFlight(stream);
  const calls = [
    { method: "nak", params: { subscription, sequences: [1], delayMs: 0 } },
    { method: "ack", params: { subscription, sequences: range(2, 2_500) } },
    { method: "ack", params: { subscription, sequences: range(2_501, 4_500) } },
    { method: "ack", params: { subscription, through: MESSAGES } },
  ];

  await client.exchange(JSON.stringify(calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call }))));
  await untilDelivery(client, 1, 2);

  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ inFlight: 1, pending: 0 });
});

it("applies commands to large consumers by turns in few turns: each turn writes whole cursors", async () => {
  const [stream, consumers] = ["alternating", ["c1", "c2", "c3", "c4"]];
  const client = await connect();
  await publishMany(client, stream, MESSAGES);
  const subscriptions: number[] = [];
  for (const consumer of consumers) {
    await client.call("createConsumer", { stream, consumer, ...LONG });
    const { subscription } = await client.call("subscribe", { stream, consumer, maxInFlight: MESSAGES });
    subscriptions.push(subscription);
  }
  await client.untilMessages(consumers.length * MESSAGES);
  const turns = await noteTurns(stream);
  const nak = (index: number) => ({
    jsonrpc: "2.0",
    id: index,
    method: "nak",
    params: { subscription: subscriptions[index % 4], sequences: [Math.floor(index / 4) + 1] },
  });

  const answers = await client.exchange(JSON.stringify(range(0, 399).map(nak)));

  expect(answers).toMatchObject(range(0, 399).map((id) => ({ id, result: {} })));
  expect(turns.length).toBeLessThan(10);
});

it("applies commands of the many holders of two large consumers in few turns, in whatever order they come", async () => {
  const [stream, holders, messages] = ["holders-by-turns", 20, 6_000];
  const client = await connect();
  await publishMany(client, stream, messages);
  const subscriptions: number[] = [];
  for (const consumer of ["c1", "c2"]) {
    await client.call("createConsumer", { stream, consumer, ...LONG, maxInFlight: messages });
    for (let holder = 0; holder < holders; holder += 1) {
      const { subscription } = await client.call("subscribe", { stream, consumer, maxInFlight: messages / holders });
      subscriptions.push(subscription);
    }
  }
  await client.untilMessages(2 * messages);
  const alternating = range(0, holders - 1).flatMap((holder) => [holder, holders + holder]);
  const commands = (method: string, of: (sequences: number[]) => number[]) =>
    alternating.map((index, id) => {
      const subscription = subscriptions[index] ?? 0;
      const sequences = of(deliveries(client, subscription).map(([sequence]) => sequence));
      return { jsonrpc: "2.0", id, method, params: { subscription, sequences } };
    });
  // In runs of one message each, which take longest to write.
  await client.exchange(JSON.stringify(commands("nak", (all) => all.filter((one) => one % 2 === 0))));
  const turns = await noteTurns(stream);

  const answers = await client.exchange(
    JSON.stringify(commands("ack", (all) => all.filter((one) => one % 2 === 1).slice(0, 1))),
  );

  expect(answers).toMatchObject(alternating.map((_index, id) => ({ id, result: {} })));
  expect(turns.length).toBeLessThan(10);
});

it("sends a stream no more than 10,000 sequences by one call", async () => {
  const stream = "sequences-of-call";
  const client = await connect();
  await streamWithConsumer(client, stream, 1, LONG);
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(1);
  const sizes: number[] = [];
  await faultStream("applyAcks", (original, epoch, commands, seen) => {
    sizes.push(commands.reduce((sum, command) => sum + sizeOf(command), 0));
    return original(epoch, commands, seen);
  });
  const ack = (id: number) => ({
    jsonrpc: "2.0",
    id,
    method: "ack",
    params: { subscription, sequences: range(1, 4_000) },
  });

  const answers = await client.exchange(JSON.stringify(range(1, 6).map(ack)));

  expect(answers).toMatchObject(range(1, 6).map((id) => ({ id, result: {} })));
  expect(sizes).toEqual([8_000, 8_000, 8_000]);
});

it("gives back in turns what a socket held for many consumers that closed", async () => {
  const [stream, consumers, messages] = ["closed-in-turns", ["c1", "c2", "c3"], 1_200];
  const [leaver, stayer] = [await connect(), await connect()];
  await publishMany(stayer, stream, messages);
  for (const consumer of consumers) {
    await stayer.call("createConsumer", { stream, consumer, ...LONG });
    await leaver.call("subscribe", { stream, consumer, maxInFlight: messages });
  }
  await leaver.untilMessages(consumers.length * messages);
  const turns = await noteTurns(stream);

  leaver.close();
  for (const consumer of consumers) {
    await expect
      .poll(async () => stayer.call("getConsumer", { stream, consumer }))
      .toMatchObject({ subscriptions: 0, inFlight: 0, pending: messages });
  }
  await stayer.call("subscribe", { stream, consumer: "c3", maxInFlight: messages });
  await stayer.untilMessages(messages);

  // A subscription is released at once.
  expect(Math.max(...decreases(turns, inFlight))).toBe(messages);
  expect(new Set(deliveries(stayer).map(([sequence]) => sequence))).toEqual(new Set(range(1, messages)));
});

it("releases in turns what a gateway does not know any more", async () => {
  const [stream, consumers, messages] = ["unknown-in-turns", ["c1", "c2", "c3"], 1_200];
  const [lost, stayer] = [await connect(), await connect()];
  await publishMany(stayer, stream, messages);
  for (const consumer of consumers) {
    await stayer.call("createConsumer", { stream, consumer, ...LONG });
    await lost.call("subscribe", { stream, consumer, maxInFlight: messages });
  }
  await lost.untilMessages(consumers.length * messages);
  await evict(env.STREAM.getByName(stream));
  const asked: string[] = [];
  await faultGateway("unknownHolders", (_original, holders) => {
    asked.push(...holders);
    return holders;
  });
  const turns = await noteTurns(stream);

  for (const consumer of consumers) {
    await expect
      .poll(async () => stayer.call("getConsumer", { stream, consumer }))
      .toMatchObject({ subscriptions: 0, inFlight: 0, pending: messages });
  }

  expect(asked).toHaveLength(consumers.length);
  // A subscription is released at once.
  expect(Math.max(...decreases(turns, inFlight))).toBe(messages);
  await stayer.call("subscribe", { stream, consumer: "c3", maxInFlight: messages });
  await stayer.untilMessages(messages);
  // What was lost with its gateway counts as no failed delivery.
  expect(new Set(deliveries(stayer).map(([, deliveryCount]) => deliveryCount))).toEqual(new Set([2]));
});
