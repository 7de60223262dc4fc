import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { deliveries, publishMany, publishSubjects, streamWithConsumer, untilDelivery } from "../harness/consumers.ts";
import { evict } from "../harness/objects.ts";
import { binding } from "../harness/service.ts";

import { postCall } from "../harness/http.ts";

const HOUR_MS = 3_600_000;

type Changes = Omit<MethodParams<"updateConsumer">, "stream" | "consumer">;

/** What may happen to a stream between a change and what it is to bring about. */
const AFTER: [name: string, after: (stream: string) => Promise<void>][] = [
  ["awake", async () => undefined],
  ["evicted", async (stream) => evict(env.STREAM.getByName(stream))],
];

/** A client with a consumer `c` of a stream, and what a test asks of both. */
async function begin(stream: string, count: number, config: Partial<MethodParams<"createConsumer">> = {}) {
  const client = await connect();
  await streamWithConsumer(client, stream, count, config);
  const at = { stream, consumer: "c" };
  return {
    client,
    update: async (changes: Changes) => client.call("updateConsumer", { ...at, ...changes }),
    info: async () => client.call("getConsumer", at),
    fetch: async (limit = 100) => {
      const { lease, messages } = await client.call("fetchMessages", { ...at, limit });
      return { lease, sequences: messages.map(({ sequence }) => sequence) };
    },
    settle: async (lease: string, outcome: "ack" | "nak" | "term", sequences: number[], delayMs?: number) =>
      client.call("ackMessages", { ...at, lease, sequences, outcome, ...(delayMs === undefined ? {} : { delayMs }) }),
    subscribe: async () => (await client.call("subscribe", at)).subscription,
    deadLetters: async () => {
      const { deadLetters } = await client.call("getDeadLetters", at);
      return deadLetters.map(({ sequence, reason }) => [sequence, reason]);
    },
  };
}

it("changes what it is given, leaves the rest, and puts back what is null", async () => {
  const stream = "update";
  const made = { filter: "a.*", ackWaitMs: 1_000, maxDeliver: 2, maxInFlight: 3, backoffMs: [4] };
  const { update, info } = await begin(stream, 0, { from: { sequence: 1 }, ...made });
  const config = { from: { sequence: 1 }, ...made };

  const one = await update({ maxDeliver: 7 });
  const none = await update({});
  await evict(env.STREAM.getByName(stream));
  const kept = await info();
  const all = await update({ filter: "b.>", ackWaitMs: 2_000, maxDeliver: 8, maxInFlight: 9, backoffMs: [] });
  const back = await update({ filter: null, ackWaitMs: null, maxDeliver: null, maxInFlight: null, backoffMs: null });
  await evict(env.STREAM.getByName(stream));

  expect([one, none, kept].map((each) => each.config)).toEqual(
    [one, none, kept].map(() => ({ ...config, maxDeliver: 7 })),
  );
  expect(all.config).toEqual({
    from: { sequence: 1 },
    filter: "b.>",
    ackWaitMs: 2_000,
    maxDeliver: 8,
    maxInFlight: 9,
    backoffMs: [],
  });
  expect(back.config).toEqual({
    from: { sequence: 1 },
    ackWaitMs: 30_000,
    maxDeliver: 5,
    maxInFlight: 1_000,
    backoffMs: [1_000, 5_000, 30_000, 120_000],
  });
  expect(await info()).toEqual(back);
});

it("is there over POST /rpc and in the service binding", async () => {
  const { info } = await begin("update-ways", 0);
  const at = { stream: "update-ways", consumer: "c" };

  const posted = await postCall("updateConsumer", { ...at, maxDeliver: 7 });
  const bound = await binding().updateConsumer({ ...at, maxInFlight: 8 });

  expect(posted).toMatchObject({ result: { config: { maxDeliver: 7 } } });
  expect(bound).toEqual(await info());
  expect(bound.config).toMatchObject({ maxDeliver: 7, maxInFlight: 8 });
});

it.each<object>([
  { from: "first" },
  { maxDeliver: 0 },
  { maxInFlight: 10_001 },
  { ackWaitMs: 99 },
  { backoffMs: [-1] },
  { filter: "" },
  { paused: true },
])("refuses %j, and changes nothing", async (wrong) => {
  const stream = `update-wrong-${Object.keys(wrong)[0]}`;
  const { client, info } = await begin(stream, 0);
  const before = await info();

  const { code } = await client.callError("updateConsumer", { stream, consumer: "c", maxDeliver: 9, ...wrong });

  expect(code).toBe(ErrorCode.InvalidParams);
  expect(await info()).toEqual(before);
});

it("makes the consumer one that createConsumer takes for the same, and the former for another", async () => {
  const stream = "update-same";
  const { client, update } = await begin(stream, 3, { maxDeliver: 2 });
  const former = { stream, consumer: "c", ackWaitMs: 2_000, backoffMs: [100], maxDeliver: 2 };
  await update({ maxDeliver: 7 });

  const same = await client.call("createConsumer", { ...former, maxDeliver: 7 });
  const other = await client.callError("createConsumer", former);

  expect(same.pending).toBe(3);
  expect(other).toMatchObject({
    code: ErrorCode.Conflict,
    data: { what: "maxDeliver", maxDeliver: 7, use: "updateConsumer" },
  });
});

it("keeps the place: what is settled, dead, lost, in flight, waiting and paused", async () => {
  const stream = "update-place";
  const { client, update, info, fetch, settle, deadLetters } = await begin(stream, 20, { ackWaitMs: HOUR_MS });
  const { lease } = await fetch(10);
  await settle(lease, "ack", [1, 2, 4]);
  await settle(lease, "nak", [5], HOUR_MS);
  await settle(lease, "term", [6]);
  await client.call("deleteMessages", { stream, sequences: [7, 15] });
  await client.call("pauseConsumer", { stream, consumer: "c", paused: true });
  const before = await info();

  const changed = await update({ ackWaitMs: 200, maxDeliver: 9, maxInFlight: 50, backoffMs: [HOUR_MS] });
  await evict(env.STREAM.getByName(stream));
  const after = await info();
  await client.call("pauseConsumer", { stream, consumer: "c", paused: false });
  // A lease of before still settles.
  await settle(lease, "ack", [3, 5, 8, 9, 10]);

  expect(before).toMatchObject({ ackFloor: 2, inFlight: 4, pending: 10, deadLetters: 1, paused: true });
  expect(before.lost).toEqual({ from: 7, to: 15, total: 2 });
  expect(changed).toEqual({ ...before, config: changed.config });
  expect(after).toEqual(changed);
  expect(await deadLetters()).toEqual([[6, "term"]]);
  expect((await fetch()).sequences).toEqual([11, 12, 13, 14, 16, 17, 18, 19, 20]);
});

describe.each(AFTER)("with the stream %s", (name, after) => {
  /** Who took messages before the filter changes, or looked for some. */
  const TAKERS: [name: string, take: (consumer: Awaited<ReturnType<typeof begin>>) => Promise<unknown>][] = [
    ["a fetch of one", async ({ fetch }) => fetch(1)],
    ["a fetch of all", async ({ fetch }) => fetch(100)],
    ["a subscription", async ({ client, subscribe }) => (await subscribe(), await client.untilMessages(1))],
  ];

  it.each(TAKERS)("a filter counts from the next new message on, whatever %s passed over", async (taker, take) => {
    const stream = `update-filter-${name}-${taker.replaceAll(" ", "-")}`;
    const consumer = await begin(stream, 0, { filter: "a", ackWaitMs: HOUR_MS });
    const { client, update, info } = consumer;
    await publishSubjects(client, stream, ["a", "b", "b"]);
    await take(consumer);
    await publishSubjects(client, stream, ["b", "c"]);
    await after(stream);

    await update({ filter: "b" });
    await after(stream);
    const passed = await info();
    await publishSubjects(client, stream, ["a", "b", "c"]);

    await consumer.subscribe();
    await untilDelivery(client, 7, 1);

    expect(passed).toMatchObject({ pending: 0, inFlight: 1, ackFloor: 0 });
    expect(deliveries(client).filter(([sequence]) => sequence !== 1)).toEqual([[7, 1]]);
  });

  it("a filter counts from the next that the old one would have let through", async () => {
    const stream = `update-next-${name}`;
    const { client, update, info, fetch } = await begin(stream, 0, { filter: "a" });
    await publishSubjects(client, stream, ["b", "b", "a", "b", "a"]);
    const before = await info();

    const other = await update({ filter: "b" });
    await after(stream);
    const all = await update({ filter: null });
    await after(stream);

    expect([before, other, all].map(({ pending, ackFloor }) => [pending, ackFloor])).toEqual([
      [2, 0],
      [1, 2],
      [2, 3],
    ]);
    expect(await info()).toEqual(all);
    expect((await fetch()).sequences).toEqual([4, 5]);
  });

  it("a filter leaves what was delivered before, in flight, waiting or dead", async () => {
    const stream = `update-delivered-${name}`;
    const consumer = await begin(stream, 0, { filter: "a", ackWaitMs: HOUR_MS });
    const { client, update, info, fetch, settle, deadLetters } = consumer;
    await publishSubjects(client, stream, ["a", "a", "a", "a", "a"]);
    const { lease } = await fetch();
    await settle(lease, "nak", [2, 5], HOUR_MS);
    await settle(lease, "term", [3]);

    await update({ filter: "b" });
    await after(stream);
    const before = await info();
    await client.call("deleteMessages", { stream, sequences: [4, 5] });
    await after(stream);
    const lost = await info();
    await settle(lease, "nak", [1], 0);
    const again = await fetch();
    await client.call("retryDeadLetters", { stream, consumer: "c" });

    expect(before).toMatchObject({ inFlight: 2, pending: 2, deadLetters: 1 });
    expect(lost).toMatchObject({ inFlight: 1, pending: 1, lost: { from: 4, to: 5, total: 2 } });
    expect(again.sequences).toEqual([1]);
    expect(await deadLetters()).toEqual([]);
    expect((await fetch()).sequences).toEqual([3]);
  });

  it("a smaller maxInFlight holds back until less is in flight, a larger one delivers at once", async () => {
    const stream = `update-window-${name}`;
    const { client, update, info, subscribe } = await begin(stream, 12, { maxInFlight: 6, ackWaitMs: HOUR_MS });
    const subscription = await subscribe();
    await client.untilMessages(6);

    await update({ maxInFlight: 2 });
    await after(stream);
    await client.call("ack", { subscription, sequences: [1, 2, 3, 4] });
    const held = await info();
    await client.call("ack", { subscription, sequences: [5] });
    const next = await client.untilMessages(7);
    await after(stream);
    await update({ maxInFlight: 5 });
    const more = await client.untilMessages(10);

    expect(held).toMatchObject({ inFlight: 2, pending: 6 });
    expect(next).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(more).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await info()).toMatchObject({ inFlight: 5 });
  });

  it("a maxInFlight of 1 brings what is left in order, and a larger one gives that up", async () => {
    const stream = `update-strict-${name}`;
    const { update, fetch, settle } = await begin(stream, 4, { ackWaitMs: HOUR_MS, backoffMs: [] });
    const { lease } = await fetch(3);
    await settle(lease, "nak", [3], 0);
    await settle(lease, "nak", [2], 0);

    await update({ maxInFlight: 1 });
    await after(stream);
    const blocked = await fetch();
    await settle(lease, "nak", [1], 0);
    const order: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { lease: each, sequences } = await fetch();
      order.push(...sequences);
      await settle(each, count === 2 ? "nak" : "ack", sequences, HOUR_MS);
    }
    const waitedFor = await fetch();
    await update({ maxInFlight: 2 });
    await after(stream);

    expect(blocked.sequences).toEqual([]);
    expect(order).toEqual([1, 2, 3]);
    expect(waitedFor.sequences).toEqual([]);
    expect((await fetch()).sequences).toEqual([4]);
  });

  it("a smaller maxDeliver buries at once what waits, and what is in flight when it is given back", async () => {
    const stream = `update-deliver-${name}`;
    const config = { ackWaitMs: HOUR_MS, backoffMs: [0], maxDeliver: 5 };
    const { update, info, fetch, settle, deadLetters } = await begin(stream, 5, config);
    const first = await fetch();
    await settle(first.lease, "nak", [1, 2, 3, 4]);
    const second = await fetch();
    await settle(second.lease, "nak", [1], HOUR_MS);
    await settle(first.lease, "nak", [5], HOUR_MS);

    const changed = await update({ maxDeliver: 2 });
    await after(stream);
    const atOnce = await deadLetters();
    await settle(second.lease, "ack", [2]);
    await settle(second.lease, "nak", [3]);
    const grown = await update({ maxDeliver: 9 });
    await after(stream);

    expect(changed).toMatchObject({ inFlight: 3, pending: 1, deadLetters: 1 });
    expect(atOnce).toEqual([[1, "maxDeliver"]]);
    expect(grown).toMatchObject({ inFlight: 1, pending: 1, deadLetters: 2 });
    expect(await deadLetters()).toEqual([
      [1, "maxDeliver"],
      [3, "maxDeliver"],
    ]);
    expect(await info()).toEqual(grown);
  });

  it("a backoff counts from the next delivery that fails", async () => {
    const stream = `update-backoff-${name}`;
    const { update, fetch, settle, info } = await begin(stream, 2, { ackWaitMs: HOUR_MS, backoffMs: [HOUR_MS] });
    const { lease } = await fetch();
    await settle(lease, "nak", [1]);

    await update({ backoffMs: [0] });
    await after(stream);
    await settle(lease, "nak", [2]);

    expect((await fetch()).sequences).toEqual([2]);
    expect(await info()).toMatchObject({ inFlight: 1, pending: 1 });
  });

  it("an ackWaitMs counts from the next delivery or `working`", async () => {
    const stream = `update-wait-${name}`;
    const config = { ackWaitMs: HOUR_MS, backoffMs: [0], maxDeliver: 100 };
    const { client, update, subscribe } = await begin(stream, 2, config);
    const subscription = await subscribe();
    await client.untilMessages(2);

    await update({ ackWaitMs: 100 });
    await after(stream);
    await client.call("working", { subscription, sequences: [2] });
    await untilDelivery(client, 2, 2);
    // Failed twice beside another it would have to wait for that one.
    await client.call("ack", { subscription, sequences: [2] });
    await publishMany(client, stream, 1);
    await untilDelivery(client, 3, 2);

    // What was in flight before keeps its deadline.
    expect(deliveries(client).filter(([sequence]) => sequence === 1)).toEqual([[1, 1]]);
  });
});
