import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
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
