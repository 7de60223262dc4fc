import { afterEach, expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { streamWithConsumer } from "../harness/consumers.ts";
import { faultStream } from "../harness/faults.ts";

const SUBSCRIPTIONS = 100;

afterEach(() => {
  vi.restoreAllMocks();
});

it("asks a stream once for all subscriptions to one position that come while it answers, at most 16 at once", async () => {
  const stream = "shared-starts";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });
  const follows = await holdFirstFollow();

  const subscribing = Array.from({ length: SUBSCRIPTIONS }, () => client.call("subscribe", { stream, from: "new" }));
  await vi.waitUntil(() => follows.calls === 1);
  // Its answer comes behind the frames before it.
  await client.call("getServerInfo", {});
  follows.isReleased = true;
  const subscribed = await Promise.all(subscribing);

  expect(follows.calls).toBe(8);
  expect(new Set(subscribed.map(({ nextSequence }) => nextSequence))).toEqual(new Set([2]));
  expect(new Set(subscribed.map(({ subscription }) => subscription)).size).toBe(SUBSCRIPTIONS);
});

it("starts a subscription after everything that was published before it, though another one is being answered", async () => {
  const stream = "no-older-start";
  const client = await connect();
  const follows = await holdFirstFollow();

  const first = client.call("subscribe", { stream, from: "new" });
  await vi.waitUntil(() => follows.calls === 1);
  await client.call("publish", { stream, data: 1 });
  const second = client.call("subscribe", { stream, from: "new" });
  await client.call("getServerInfo", {});
  follows.isReleased = true;

  expect((await first).nextSequence).toBe(1);
  expect((await second).nextSequence).toBe(2);
});

it("asks on while a call takes long", async () => {
  const stream = "slow-start";
  const client = await connect();
  const follows = await holdFirstFollow();

  const first = client.call("subscribe", { stream, from: "new" });
  await vi.waitUntil(() => follows.calls === 1);
  const second = await client.call("subscribe", { stream, from: "first" });
  follows.isReleased = true;

  expect(second.subscription).not.toBe((await first).subscription);
});

it("has 16 subscriptions join their consumers by one call, and refuses one of them alone", async () => {
  const stream = "joined-together";
  const client = await connect();
  await streamWithConsumer(client, stream, 1);
  const calls: number[] = [];
  const hold = { isReleased: false };
  await faultStream("joinConsumer", async (join, first, others = []) => {
    calls.push(1 + others.length);
    if (calls.length === 1) {
      await vi.waitUntil(() => hold.isReleased, { interval: 2, timeout: 10_000 });
    }
    return join(first, others);
  });

  const subscribing = Array.from({ length: 35 }, (_, index) =>
    client.request("subscribe", { stream, consumer: index === 20 ? "missing" : "c" }),
  );
  await vi.waitUntil(() => calls.length === 1);
  // Its answer comes behind the frames before it.
  await client.call("getServerInfo", {});
  hold.isReleased = true;
  const subscribed = await Promise.all(subscribing);

  expect(calls).toEqual([1, 16, 16, 2]);
  expect(subscribed.flatMap(({ error }, index) => (error === undefined ? [] : [[index, error.code]]))).toEqual([
    [20, ErrorCode.NotFound],
  ]);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ subscriptions: 34 });
});

it("has subscriptions join one after the other at a stream of the version before", async () => {
  const stream = "joined-alone";
  const client = await connect();
  await streamWithConsumer(client, stream, 1);
  // It does not know that there are others.
  await faultStream("joinConsumer", (join, first) => join(first));

  const subscribing = ["c", "c", "missing", "c"].map((consumer) => client.request("subscribe", { stream, consumer }));
  const codes = (await Promise.all(subscribing)).map(({ error }) => error?.code);

  expect(codes).toEqual([undefined, undefined, ErrorCode.NotFound, undefined]);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ subscriptions: 3 });
});

/** Has the first answer of `follow` wait until it is released; counts the calls. */
async function holdFirstFollow() {
  const follows = { calls: 0, isReleased: false };
  await faultStream("follow", async (follow, ...asked) => {
    follows.calls += 1;
    const start = follow(...asked);
    if (follows.calls === 1) {
      await vi.waitUntil(() => follows.isReleased, { interval: 2, timeout: 10_000 });
    }
    return start;
  });
  return follows;
}
