import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import type { MethodParams, MethodResult } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { range } from "../harness/objects.ts";
import { postCall } from "../harness/http.ts";

async function publish(client: TestClient, stream: string, subjects: (string | undefined)[]): Promise<void> {
  const messages = subjects.map((subject, index) => ({
    data: index + 1,
    ...(subject === undefined ? {} : { subject }),
  }));
  await client.call("publishBatch", { stream, messages });
}

function plain(count: number): undefined[] {
  return Array.from({ length: count }, () => undefined);
}

it("makes a consumer, with its stream, and tells how it stands", async () => {
  const client = await connect();

  const made = await client.call("createConsumer", { stream: "made", consumer: "workers" });
  const again = await client.call("createConsumer", { stream: "made", consumer: "workers" });
  const { consumers, epoch } = await client.call("getStreamInfo", { stream: "made" });

  expect(made).toEqual({
    epoch,
    consumer: "workers",
    config: {
      from: "first",
      ackWaitMs: 30_000,
      maxDeliver: 5,
      maxInFlight: 1_000,
      backoffMs: [1_000, 5_000, 30_000, 120_000],
    },
    ackFloor: 0,
    pending: 0,
    inFlight: 0,
    redelivered: 0,
    deadLetters: 0,
    paused: false,
    subscriptions: 0,
  });
  expect(again).toEqual(made);
  expect(await client.call("getConsumer", { stream: "made", consumer: "workers" })).toEqual(made);
  expect(await client.call("listConsumers", { stream: "made" })).toEqual({ consumers: [made] });
  expect(consumers).toBe(1);
});

it("answers Conflict to a consumer that was made to be another, and says what it is", async () => {
  const client = await connect();
  const made = { stream: "conflict", consumer: "c", maxInFlight: 5, filter: "a.*", backoffMs: [10] };
  await client.call("createConsumer", made);

  const { filter: _filter, ...unfiltered } = made;
  const errors = [
    await client.callError("createConsumer", { ...made, maxInFlight: 6 }),
    await client.callError("createConsumer", unfiltered),
    await client.callError("createConsumer", { ...made, backoffMs: [10, 20] }),
    await client.callError("createConsumer", { ...made, from: { sequence: 3 } }),
  ];

  expect(errors.map(({ code }) => code)).toEqual(errors.map(() => ErrorCode.Conflict));
  expect(errors.map(({ data }) => data)).toEqual([
    { what: "maxInFlight", maxInFlight: 5, use: "updateConsumer" },
    { what: "filter", filter: "a.*", use: "updateConsumer" },
    { what: "backoffMs", backoffMs: "[10]", use: "updateConsumer" },
    // Where it started is nothing to change, but it can be started over.
    { what: "from", from: "first", use: "seekConsumer" },
  ]);
});

it("answers NotFound to every method for a consumer or a stream there is not", async () => {
  const client = await connect();
  await client.call("createConsumer", { stream: "found", consumer: "found" });
  const calls: [string, object][] = [
    ["getConsumer", {}],
    ["updateConsumer", {}],
    ["pauseConsumer", { paused: true }],
    ["seekConsumer", { from: "first" }],
    ["fetchMessages", {}],
    ["ackMessages", { lease: "1.a", sequences: [1] }],
    ["deleteConsumer", {}],
    ["getDeadLetters", {}],
    ["retryDeadLetters", {}],
    ["deleteDeadLetters", {}],
    ["subscribe", {}],
  ];

  for (const [method, params] of calls) {
    const noConsumer = await client.callError(method, { stream: "found", consumer: "other", ...params });
    const noStream = await client.callError(method, { stream: "never-used", consumer: "other", ...params });
    expect([method, noConsumer.code, noConsumer.data]).toEqual([method, ErrorCode.NotFound, { what: "consumer" }]);
    expect([method, noStream.code, noStream.data]).toEqual([method, ErrorCode.NotFound, { what: "stream" }]);
  }
  expect((await client.callError("getStreamInfo", { stream: "never-used" })).code).toBe(ErrorCode.NotFound);
});

it("delivers, counts deliveries and settles by ack", async () => {
  const client = await connect();
  await publish(client, "settle", plain(5));
  await client.call("createConsumer", { stream: "settle", consumer: "c" });

  const { subscription, nextSequence } = await client.call("subscribe", { stream: "settle", consumer: "c" });
  await client.untilMessages(5);
  const before = await client.call("getConsumer", { stream: "settle", consumer: "c" });
  await client.call("ack", { subscription, sequences: [2, 4] });
  const between = await client.call("getConsumer", { stream: "settle", consumer: "c" });
  await client.call("ack", { subscription, through: 5 });
  const after = await client.call("getConsumer", { stream: "settle", consumer: "c" });

  expect(nextSequence).toBe(1);
  expect(client.sequences(subscription)).toEqual(range(1, 5));
  expect(client.of("messages").flatMap(({ messages }) => messages)[0]).toMatchObject({ deliveryCount: 1, data: 1 });
  expect(before).toMatchObject({ inFlight: 5, pending: 0, ackFloor: 0, subscriptions: 1 });
  expect(between).toMatchObject({ inFlight: 3, ackFloor: 0 });
  expect(after).toMatchObject({ inFlight: 0, ackFloor: 5 });
});

it("starts where it is told, and says what is deleted of that", async () => {
  const client = await connect();
  await publish(client, "starts", plain(10));
  await client.call("deleteMessages", { stream: "starts", through: 4 });
  const pendingFrom = async (consumer: string, from: MethodParams<"createConsumer">["from"]) => {
    const info = await client.call("createConsumer", {
      stream: "starts",
      consumer,
      ...(from === undefined ? {} : { from }),
    });
    return [info.pending, info.skipped];
  };

  expect(await pendingFrom("default", undefined)).toEqual([6, undefined]);
  expect(await pendingFrom("first", "first")).toEqual([6, undefined]);
  expect(await pendingFrom("new", "new")).toEqual([0, undefined]);
  expect(await pendingFrom("sequence", { sequence: 8 })).toEqual([3, undefined]);
  expect(await pendingFrom("skips", { sequence: 2 })).toEqual([6, { from: 2, to: 4 }]);
  expect(await pendingFrom("last", { last: 2 })).toEqual([2, undefined]);
  expect(await pendingFrom("time", { time: Date.now() + 60_000 })).toEqual([0, undefined]);
});

it("stops while it is paused, and goes on", async () => {
  const client = await connect();
  const consumer = { stream: "pauses", consumer: "c" };
  await client.call("createConsumer", consumer);
  const { subscription } = await client.call("subscribe", consumer);

  const paused = await client.call("pauseConsumer", { ...consumer, paused: true });
  await publish(client, "pauses", plain(3));
  const fetched = await client.call("fetchMessages", consumer);
  const waiting = await client.call("getConsumer", consumer);
  const resumed = await client.call("pauseConsumer", { ...consumer, paused: false });
  await client.untilMessages(3);

  expect(paused).toMatchObject({ paused: true });
  expect(fetched.messages).toEqual([]);
  expect(waiting).toMatchObject({ paused: true, pending: 3, inFlight: 0 });
  expect(resumed).toMatchObject({ paused: false, pending: 0, inFlight: 3 });
  expect(client.sequences(subscription)).toEqual([1, 2, 3]);
});

it("starts over from another place", async () => {
  const client = await connect();
  const consumer = { stream: "seeks", consumer: "c" };
  await publish(client, "seeks", plain(6));
  await client.call("createConsumer", { ...consumer, maxInFlight: 3 });
  const { subscription } = await client.call("subscribe", consumer);
  await client.untilMessages(3);
  await client.call("term", { subscription, sequences: [2, 3] });
  await client.untilMessages(5);

  const back = await client.call("seekConsumer", { ...consumer, from: { sequence: 3 } });
  await client.untilMessages(8);
  const { deadLetters } = await client.call("getDeadLetters", consumer);
  const ahead = await client.call("seekConsumer", { ...consumer, from: "new" });

  expect(back).toMatchObject({ inFlight: 3, pending: 1, ackFloor: 2, deadLetters: 1 });
  expect(client.sequences(subscription)).toEqual([1, 2, 3, 4, 5, 3, 4, 5]);
  expect(deadLetters).toMatchObject([{ sequence: 2 }]);
  expect(ahead).toMatchObject({ inFlight: 0, pending: 0, ackFloor: 6 });
});

it("is another consumer when it is deleted and made again: earlier leases settle nothing", async () => {
  const client = await connect();
  const consumer = { stream: "again", consumer: "c" };
  await publish(client, "again", plain(2));
  await client.call("createConsumer", consumer);
  const { lease } = await client.call("fetchMessages", consumer);

  expect(await client.call("deleteConsumer", consumer)).toMatchObject({ consumer: "c", inFlight: 2, pending: 0 });
  expect((await client.callError("deleteConsumer", consumer)).code).toBe(ErrorCode.NotFound);
  const made = await client.call("createConsumer", { ...consumer, filter: "a" });
  const refused = await client.callError("ackMessages", { ...consumer, lease, sequences: [1] });

  expect(made).toMatchObject({ ackFloor: 0, config: { filter: "a" } });
  expect([refused.code, refused.data]).toEqual([ErrorCode.NotFound, { what: "lease" }]);
});

it("pulls and settles over POST /rpc alone", async () => {
  const consumer = { stream: "http", consumer: "c" };
  const call = async (method: string, params: object) => {
    const response = (await postCall(method, { ...consumer, ...params })) as { result?: unknown; error?: unknown };
    expect(response.error).toBeUndefined();
    return response.result;
  };
  type Fetched = MethodResult<"fetchMessages">;
  await postCall("publishBatch", { stream: "http", messages: range(1, 5).map((data) => ({ data })) });
  await call("createConsumer", { backoffMs: [60_000], maxDeliver: 2 });

  const first = (await call("fetchMessages", { limit: 2 })) as Fetched;
  const second = (await call("fetchMessages", {})) as Fetched;
  const none = (await call("fetchMessages", {})) as Fetched;
  await call("ackMessages", { lease: first.lease, sequences: [1] });
  await call("ackMessages", { lease: first.lease, sequences: [2], outcome: "nak", delayMs: 0 });
  await call("ackMessages", { lease: second.lease, sequences: [3], outcome: "nak" });
  await call("ackMessages", { lease: second.lease, sequences: [4], outcome: "term" });
  // A lease gives back only what it holds.
  await call("ackMessages", { lease: first.lease, sequences: [5], outcome: "nak", delayMs: 0 });
  const third = (await call("fetchMessages", {})) as Fetched;

  expect(first.messages).toMatchObject([
    { sequence: 1, deliveryCount: 1, data: 1 },
    { sequence: 2, deliveryCount: 1, data: 2 },
  ]);
  expect(second.messages.map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
  expect(none.messages).toEqual([]);
  expect(third.messages).toMatchObject([{ sequence: 2, deliveryCount: 2 }]);
  expect(new Set([first, second, none, third].map(({ lease }) => lease)).size).toBe(4);
  expect(await call("getConsumer", {})).toMatchObject({ inFlight: 2, pending: 1, deadLetters: 1, redelivered: 1 });
});

it("gives what a lease does not settle to others after ackWaitMs, and takes its late ack", async () => {
  const client = await connect();
  const consumer = { stream: "lapses", consumer: "c" };
  await publish(client, "lapses", plain(2));
  await client.call("createConsumer", { ...consumer, ackWaitMs: 1_000, backoffMs: [] });
  const { lease } = await client.call("fetchMessages", consumer);

  await client.call("subscribe", consumer);
  await client.untilMessages(2);
  await client.call("ackMessages", { ...consumer, lease, sequences: [1, 2] });

  expect(client.of("messages").flatMap(({ messages }) => messages.map(({ deliveryCount }) => deliveryCount))).toEqual([
    2, 2,
  ]);
  expect(await client.call("getConsumer", consumer)).toMatchObject({ inFlight: 0, ackFloor: 2 });
});

it("lists, retries and deletes dead letters, all or some of them", async () => {
  const client = await connect();
  const consumer = { stream: "letters", consumer: "c" };
  await publish(client, "letters", plain(6));
  await client.call("createConsumer", consumer);
  const { lease } = await client.call("fetchMessages", consumer);
  await client.call("ackMessages", { ...consumer, lease, sequences: range(1, 6), outcome: "term" });
  await client.call("deleteMessages", { stream: "letters", sequences: [2] });
  const letters = async (params: object = {}) => {
    const { deadLetters } = await client.call("getDeadLetters", { ...consumer, ...params });
    return deadLetters.map(({ sequence }) => sequence);
  };

  expect(await letters()).toEqual(range(1, 6));
  expect(await letters({ from: 3, limit: 2 })).toEqual([3, 4]);
  // Of message 2 only the letter is left.
  expect(await client.call("retryDeadLetters", { ...consumer, sequences: [1, 2, 77] })).toEqual({ count: 1 });
  expect(await client.call("deleteDeadLetters", { ...consumer, sequences: [4, 1] })).toEqual({ count: 1 });
  expect(await letters()).toEqual([2, 3, 5, 6]);
  expect(await client.call("retryDeadLetters", consumer)).toEqual({ count: 3 });
  expect(await client.call("deleteDeadLetters", consumer)).toEqual({ count: 1 });
  const { messages } = await client.call("fetchMessages", consumer);

  expect(messages.map(({ sequence, deliveryCount }) => [sequence, deliveryCount])).toEqual([
    [1, 1],
    [3, 1],
    [5, 1],
    [6, 1],
  ]);
});

it("retries the dead letters whose messages are left, however many have lost theirs before them", async () => {
  const client = await connect();
  const consumer = { stream: "many-letters", consumer: "c" };
  await client.call("createConsumer", { ...consumer, maxInFlight: LIMITS.pageMessages });
  const left = LIMITS.pageMessages;
  // One more page than may be unsettled at once.
  const total = 20_000 + left;
  for (let dead = 0; dead < total; dead += left) {
    await publish(client, consumer.stream, plain(left));
    const { lease } = await client.call("fetchMessages", { ...consumer, limit: left });
    const sequences = range(dead + 1, dead + left);
    await client.call("ackMessages", { ...consumer, lease, sequences, outcome: "term" });
  }
  await client.call("deleteMessages", { stream: consumer.stream, through: total - left });

  const { count } = await client.call("retryDeadLetters", consumer);
  const info = await client.call("getConsumer", consumer);

  expect(count).toBe(left);
  expect(info).toMatchObject({ pending: left, deadLetters: total - left });
});

it("settles message by message on a consumer only", async () => {
  const client = await connect();
  await publish(client, "only", plain(2));
  await client.call("createConsumer", { stream: "only", consumer: "c" });
  const { subscription } = await client.call("subscribe", { stream: "only" });
  const sequences = [1];
  const calls: [string, object][] = [
    ["ack", { sequences }],
    ["nak", { sequences }],
    ["term", { sequences }],
    ["working", { sequences }],
  ];

  for (const [method, params] of calls) {
    const { code } = await client.callError(method, { subscription, ...params });
    const unknown = await client.callError(method, { subscription: 77, ...params });
    const response = (await postCall(method, { subscription, ...params })) as { error: { code: number } };
    expect([method, code]).toEqual([method, ErrorCode.InvalidParams]);
    expect([method, unknown.code, unknown.data]).toEqual([method, ErrorCode.NotFound, { what: "subscription" }]);
    expect([method, response.error.code]).toEqual([method, ErrorCode.NeedsSocket]);
  }
});

it.each([
  ["createConsumer", { consumer: "a.b" }],
  ["createConsumer", { consumer: "" }],
  ["createConsumer", { consumer: "x".repeat(65) }],
  ["createConsumer", { ackWaitMs: 99 }],
  ["createConsumer", { maxDeliver: 0 }],
  ["createConsumer", { maxInFlight: 10_001 }],
  ["createConsumer", { backoffMs: [-1] }],
  ["createConsumer", { backofMs: [1] }],
  ["createConsumer", { filter: "a..b" }],
  ["subscribe", { from: "first" }],
  ["subscribe", { maxInFlight: 0 }],
  ["fetchMessages", { limit: 501 }],
  ["ackMessages", { lease: "1.a", sequences: [] }],
  ["ackMessages", { lease: "1.a", sequences: [1], outcome: "done" }],
  ["getDeadLetters", { limit: 0 }],
  ["seekConsumer", {}],
  ["pauseConsumer", { paused: "yes" }],
])("answers InvalidParams to %s with %j", async (method, params) => {
  const client = await connect();

  const { code } = await client.callError(method, { stream: "params", consumer: "c", ...params });

  expect(code).toBe(ErrorCode.InvalidParams);
});

it("has at most so many consumers in a stream, and subscriptions on a socket", { timeout: 60_000 }, async () => {
  const client = await connect();
  for (let count = 0; count < LIMITS.consumers; count += 1) {
    await client.call("createConsumer", { stream: "many", consumer: `c${count}` });
  }
  const oneMore = await client.callError("createConsumer", { stream: "many", consumer: "one-more" });
  for (let count = 0; count < LIMITS.subscriptions; count += 1) {
    await client.call("subscribe", { stream: "many", consumer: `c${count}` });
  }
  const noMore = await client.callError("subscribe", { stream: "many", consumer: "c1" });
  const calls = (await client.call("listConsumers", { stream: "many" })).consumers;

  expect([oneMore.code, oneMore.data]).toEqual([ErrorCode.LimitReached, { what: "consumers", limit: 100 }]);
  expect([noMore.code, noMore.data]).toEqual([ErrorCode.LimitReached, { what: "subscriptions", limit: 100 }]);
  expect(calls.every(({ subscriptions }) => subscriptions === 1)).toBe(true);
});

it("remembers at most so many leases that hold messages", { timeout: 60_000 }, async () => {
  const client = await connect();
  const consumer = { stream: "leases", consumer: "c" };
  await client.call("createConsumer", { ...consumer, maxInFlight: 2_000 });
  for (let count = 0; count < 3; count += 1) {
    await publish(client, "leases", plain(500));
  }
  const leases: string[] = [];
  for (let count = 0; count < LIMITS.consumerLeases; count += 1) {
    leases.push((await client.call("fetchMessages", { ...consumer, limit: 1 })).lease);
  }

  const noMore = await client.callError("fetchMessages", consumer);
  await client.call("ackMessages", { ...consumer, lease: leases[0] ?? "", sequences: [1] });
  const { messages } = await client.call("fetchMessages", { ...consumer, limit: 1 });

  expect([noMore.code, noMore.data]).toEqual([ErrorCode.LimitReached, { what: "consumerLeases", limit: 1_000 }]);
  expect(messages).toHaveLength(1);
});

it("forgets a lease when nothing of it is in flight any more", async () => {
  const client = await connect();
  const consumer = { stream: "forgets", consumer: "c" };
  await publish(client, "forgets", plain(2));
  await client.call("createConsumer", { ...consumer, ackWaitMs: 100, backoffMs: [60_000] });
  const { lease } = await client.call("fetchMessages", consumer);
  const held = await storedHolders("forgets");
  await expect.poll(async () => client.call("getConsumer", consumer)).toMatchObject({ inFlight: 0, pending: 2 });

  expect(held).toEqual([lease.split(".")[1]]);
  expect(await storedHolders("forgets")).toEqual([]);
});

/** Who is written down as holding something of a stream's only consumer. */
function storedHolders(stream: string): Promise<string[]> {
  return runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    const { cursor } = storage.sql.exec<{ cursor: string }>("SELECT cursor FROM consumers").one();
    return (JSON.parse(cursor) as { holders: string[] }).holders;
  });
}
