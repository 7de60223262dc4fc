import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import { faultGateway, faultStream } from "../harness/faults.ts";
import { evict, range } from "../harness/objects.ts";

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

/** Publishes once a second until it is told to stop. */
async function keepBusy(stream: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await publishTo(stream);
    await scheduler.wait(1_000);
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

it("repairs a lost push by the next one, which shows the gap", async () => {
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

it("finds a lost last push within 10 s of it while the feed is active", async () => {
  const stream = "lost-last";
  const client = await connect();
  // Published by plain HTTP, so that the gateway can not know of it by having published it.
  const publish = async () =>
    env.STREAM.getByName(stream).publish({ stream, bodies: ['"data":1}'], bytes: [9], counts: [1] });
  await client.call("subscribe", { stream });
  await publish();
  await client.untilMessages(1);

  const lost = await losePushes((push) => push === 1);
  await publish();
  const lostAt = Date.now();
  await client.untilMessages(2);

  expect(lost()).toBe(1);
  expect(client.sequences()).toEqual([1, 2]);
  expect(Date.now() - lostAt).toBeLessThan(10_000);
});

it("finds a lost last push within 10 s while another stream on the same gateway is busy", async () => {
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
  expect(Date.now() - lostAt).toBeLessThan(11_000);
});

it("finds a lost last push though another stream there does not answer", { timeout: 40_000 }, async () => {
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
      this.publish(message);
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

it("announces where the log is when the stream starts, for pushes lost with the life before", async () => {
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
  const stream = "lossy";
  const client = await connect();
  const publisher = await connect();
  await client.call("subscribe", { stream });
  const lost = await losePushes((push) => push % 3 === 0);

  for (let count = 0; count < 100; count += 1) {
    await publisher.call("publish", { stream, data: count });
    if (count % 10 === 9) {
      // Room for what follows; the ack also serves as the sign that the client has come so far.
      await client.until(() => (client.sequences().length >= count - 2 ? true : undefined), "most of them");
    }
  }
  await client.untilMessages(100);

  expect(lost()).toBeGreaterThan(10);
  expect(client.sequences()).toEqual(range(1, 100));
});
