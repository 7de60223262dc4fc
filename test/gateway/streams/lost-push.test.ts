import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { CHECK_MS } from "../../../src/gateway/streams/feeds.ts";
import { connect } from "../../harness/client.ts";
import { faultGateway, faultStream } from "../../harness/faults.ts";
import { evict, range } from "../../harness/objects.ts";
import { overrideWait } from "../../harness/waits.ts";

/** Between two checks for a lost push, in the tests that wait for one. */
const SHORT_CHECK_MS = 500;

/** A lost push is found after one to two checks; and what a machine that stalls takes. */
const FOUND_WITHIN_MS = 2 * SHORT_CHECK_MS + 1_500;

/** Loses pushes on their way into gateways; returns how many it lost. */
async function losePushes(isLost: (push: number) => boolean): Promise<() => number> {
  let pushes = 0;
  let lost = 0;
  await faultGateway("deliver", (deliver, push) => {
    pushes += 1;
    if (isLost(pushes)) {
      lost += 1;
      return true;
    }
    return deliver(push);
  });
  return () => lost;
}

/** Publishes to a stream directly, so that no gateway knows of it by having published it. */
async function publishTo(stream: string): Promise<void> {
  await env.STREAM.getByName(stream).publish({ stream, bodies: ['"data":1}'], bytes: [9], counts: [1] });
}

/** Publishes more often than the gateway checks, until it is told to stop. */
async function keepBusy(stream: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await publishTo(stream);
    await scheduler.wait(SHORT_CHECK_MS / 4);
  }
}

/** Has the gateway not check for lost pushes while the test runs: what is repaired is repaired by a push. */
function leaveRepairToPushes(): void {
  overrideWait("PUSH_CHECK_MS", 600_000);
}

afterEach(() => {
  vi.restoreAllMocks();
});

it("repairs a lost push by the next one, which shows the gap", async () => {
  leaveRepairToPushes();
  const stream = "lost-middle";
  const client = await connect();
  await client.call("subscribe", { stream });
  await client.call("publish", { stream, data: 1 });
  await client.untilMessages(1);

  const lost = await losePushes((push) => push === 1);
  await client.call("publish", { stream, data: 2 });
  const held = client.sequences();
  await client.call("publish", { stream, data: 3 });
  await client.untilMessages(3);

  expect(lost()).toBe(1);
  expect(held).toEqual([1]);
  expect(client.sequences()).toEqual([1, 2, 3]);
});

it("checks often enough to find a lost push within the 10 s that are promised", () => {
  expect(2 * CHECK_MS).toBeLessThan(10_000);
});

it("finds a lost last push within two checks while the feed is active", async () => {
  overrideWait("PUSH_CHECK_MS", SHORT_CHECK_MS);
  const stream = "lost-last";
  const client = await connect();
  await client.call("subscribe", { stream });
  await publishTo(stream);
  await client.untilMessages(1);

  const lost = await losePushes((push) => push === 1);
  await publishTo(stream);
  const lostAt = Date.now();
  await client.untilMessages(2);

  expect(lost()).toBe(1);
  expect(client.sequences()).toEqual([1, 2]);
  expect(Date.now() - lostAt).toBeLessThan(FOUND_WITHIN_MS);
});

it("finds a lost last push within two checks while another stream on the same gateway is busy", async () => {
  overrideWait("PUSH_CHECK_MS", SHORT_CHECK_MS);
  const [quiet, busy] = ["lost-quiet", "lost-busy"];
  const client = await connect();
  const { subscription } = await client.call("subscribe", { stream: quiet });
  await client.call("subscribe", { stream: busy });
  await publishTo(quiet);
  await client.untilMessages(1, subscription);

  const lost = await losePushes((push) => push === 1);
  await publishTo(quiet);
  const lostAt = Date.now();
  const done = new AbortController();
  const keptBusy = keepBusy(busy, done.signal);
  try {
    await client.untilMessages(2, subscription);
  } finally {
    done.abort();
    await keptBusy;
  }

  expect(lost()).toBe(1);
  expect(client.sequences(subscription)).toEqual([1, 2]);
  expect(Date.now() - lostAt).toBeLessThan(FOUND_WITHIN_MS);
});

it("finds a lost last push though another stream there does not answer", async () => {
  overrideWait("PUSH_CHECK_MS", SHORT_CHECK_MS);
  const [quiet, stuck] = ["lost-beside-stuck", "stuck"];
  const client = await connect();
  const { subscription } = await client.call("subscribe", { stream: quiet });
  const { epoch } = await client.call("subscribe", { stream: stuck });
  const asked = Promise.withResolvers<void>();
  const released = new AbortController();
  await faultStream("position", async (position, ...args) => {
    while (!released.signal.aborted && args[1] === epoch) {
      asked.resolve();
      await scheduler.wait(20);
    }
    return position(...args);
  });
  await publishTo(stuck);

  await asked.promise;
  await publishTo(quiet);
  await client.untilMessages(1, subscription);
  const lost = await losePushes(() => true);
  await publishTo(quiet);
  try {
    await client.untilMessages(2, subscription);
  } finally {
    released.abort();
  }

  expect(lost()).toBe(1);
  expect(client.sequences(subscription)).toEqual([1, 2]);
});

it("finds a last push that was lost after one that came during a check", async () => {
  overrideWait("PUSH_CHECK_MS", SHORT_CHECK_MS);
  const stream = "lost-after-check";
  const client = await connect();
  const message = { stream, bodies: ['"data":1}'], bytes: [9], counts: [1] };
  const { epoch } = await client.call("subscribe", { stream });
  await env.STREAM.getByName(stream).publish(message);
  await client.untilMessages(1);
  let isOvertaken = false;
  await faultStream("position", async function (position, ...args) {
    const last = position(...args);
    if (!isOvertaken && args[1] === epoch) {
      isOvertaken = true;
      // The answer is on its way for so long that a push overtakes it.
      void this.publish(message);
      await scheduler.wait(150);
    }
    return last;
  });

  await client.untilMessages(2);
  await losePushes((push) => push === 1);
  await env.STREAM.getByName(stream).publish(message);
  await client.untilMessages(3);

  expect(client.sequences()).toEqual([1, 2, 3]);
});

it("announces where the log is when the stream starts, for pushes lost before it went down", async () => {
  const stream = "lost-with-stream";
  const client = await connect();
  await client.call("subscribe", { stream });
  const lost = await losePushes((push) => push === 1);
  await env.STREAM.getByName(stream).publish({ stream, bodies: ['"data":1}'], bytes: [9], counts: [1] });

  await evict(env.STREAM.getByName(stream));
  await env.STREAM.getByName(stream).info();
  await client.untilMessages(1);

  expect(lost()).toBe(1);
  expect(client.sequences()).toEqual([1]);
});

it("delivers everything, once and in order, with every third push lost", async () => {
  leaveRepairToPushes();
  const stream = "lossy";
  const client = await connect();
  const publisher = await connect();
  await client.call("subscribe", { stream });
  const lost = await losePushes((push) => push % 3 === 0);

  for (let count = 1; count <= 100; count += 1) {
    await publisher.call("publish", { stream, data: count });
  }
  await client.untilMessages(100);
  // Its answer comes after whatever is sent twice.
  await client.call("getStreamInfo", { stream });

  expect(lost()).toBeGreaterThan(10);
  expect(client.sequences()).toEqual(range(1, 100));
});
