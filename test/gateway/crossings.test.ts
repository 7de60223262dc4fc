import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import { faultGateway, faultStream } from "../harness/faults.ts";
import { evict, gatewayOf, range } from "../harness/objects.ts";

const message = (stream: string) => ({ stream, bodies: ['"data":1}'], bytes: [9], counts: [1] });

afterEach(() => {
  vi.restoreAllMocks();
});

/** Waits within a fault for what happens in another object: looks every few milliseconds. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await scheduler.wait(5);
  }
}

it("keeps a push that comes before the answer to the subscribe that asked for it", async () => {
  const stream = "push-overtakes-follow";
  const client = await connect();
  let pushes = 0;
  await faultGateway("deliver", (deliver, push) => {
    pushes += 1;
    return deliver(push);
  });
  let isFirst = true;
  await faultStream("follow", async function (follow, ...args) {
    const start = follow(...args);
    if (isFirst) {
      isFirst = false;
      // Committed and pushed once interest is registered, while the gateway still waits to hear of it.
      void this.publish(message(stream));
      await until(() => pushes > 0);
    }
    return start;
  });

  const { subscription, lastSequence } = await client.call("subscribe", { stream });
  await client.untilMessages(1);
  // Interest was not taken back by that push either.
  await env.STREAM.getByName(stream).publish(message(stream));
  await client.untilMessages(2);

  expect(lastSequence).toBe(0);
  expect(client.sequences(subscription)).toEqual([1, 2]);
});

it("keeps a gateway's interest when 'nobody here' crosses a new subscribe", async () => {
  const stream = "nobody-crosses-follow";
  const client = await connect();
  const { subscription } = await client.call("subscribe", { stream });
  await client.call("unsubscribe", { subscription });
  let isFollowed = false;
  let isAnswered = false;
  await faultGateway("deliver", async (deliver, push) => {
    const isInterested = deliver(push);
    if (!isInterested) {
      await until(() => isFollowed);
      isAnswered = true;
    }
    return isInterested;
  });

  await env.STREAM.getByName(stream).publish(message(stream));
  const again = await client.call("subscribe", { stream, from: "new" });
  const crossed = !isAnswered;
  isFollowed = true;
  await vi.waitFor(() => expect(isAnswered).toBe(true), 10_000);
  const leases = await runInDurableObject(env.STREAM.getByName(stream), (_stream, state) =>
    state.storage.sql.exec("SELECT name FROM gateways").toArray(),
  );
  await env.STREAM.getByName(stream).publish(message(stream));
  await client.untilMessages(1, again.subscription);

  expect(crossed).toBe(true);
  expect(leases).toHaveLength(1);
});

it("does not take a page for the next one when sending went back while it was read", async () => {
  const stream = "page-crosses-go-back";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, 4).map((data) => ({ data })) });
  const { subscription } = await client.call("subscribe", { stream, ackWaitMs: 1_500, maxDeliver: 20 });
  await client.untilMessages(4);
  let pushes = 0;
  await faultGateway("deliver", (deliver, push) => {
    pushes += 1;
    return pushes === 1 ? true : deliver(push);
  });
  let slowReads = 0;
  await faultStream("readPage", async (readPage, from, ...limits) => {
    const page = await readPage(from, ...limits);
    if (typeof from === "object" && "sequence" in from && from.sequence === 5 && slowReads === 0) {
      slowReads += 1;
      await scheduler.wait(2_500);
    }
    return page;
  });

  // The first push is lost, the second shows it: message 5 is read, so slowly that the acks of 1 to 4 are overdue.
  await client.call("publish", { stream, data: 5 });
  await client.call("publish", { stream, data: 6 });
  await client.until(() => (client.sequences().includes(6) ? true : undefined), "message 6");
  await client.call("ack", { subscription, through: 6 });

  expect(slowReads).toBe(1);
  expect(client.of("gap")).toEqual([]);
  const received = client.sequences();
  expect(received.slice(0, 4)).toEqual([1, 2, 3, 4]);
  // From the floor again, in order.
  expect(received.slice(4, 10)).toEqual([1, 2, 3, 4, 5, 6]);
});

/** Puts a gateway to sleep with no alarm to wake it, as if nothing had happened there for long. */
async function silence(gateway: Awaited<ReturnType<typeof gatewayOf>>): Promise<void> {
  await runInDurableObject(gateway, (_gateway, { storage }) => storage.deleteAlarm());
  await evict(gateway);
}

/** Has the next page that is read fail, and tells how many did. */
async function failOneRead(): Promise<() => number> {
  let failures = 0;
  await faultStream("readPage", (readPage, ...args) => {
    if (failures === 0) {
      failures += 1;
      throw new Error("a fault injected by a test");
    }
    return readPage(...args);
  });
  return () => failures;
}

it("goes on within 10 s with a replay that failed, though nothing else happens", async () => {
  const stream = "replay-failed";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, 8).map((data) => ({ data })) });
  await silence(await gatewayOf(client));
  const failures = await failOneRead();
  const startedAt = Date.now();

  await client.call("subscribe", { stream });
  await client.untilMessages(8);

  expect(failures()).toBe(1);
  expect(client.sequences()).toEqual(range(1, 8));
  expect(Date.now() - startedAt).toBeLessThan(10_000);
});

it("goes on with a replay that failed when the gateway slept before it could", async () => {
  const stream = "replay-interrupted";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, 8).map((data) => ({ data })) });
  await silence(await gatewayOf(client));
  const failures = await failOneRead();

  await client.call("subscribe", { stream });
  await vi.waitFor(() => expect(failures()).toBe(1), 10_000);
  await evict(await gatewayOf(client));
  await client.untilMessages(8);

  expect(client.sequences()).toEqual(range(1, 8));
});

it("goes on within 10 s with sending again when the first read for it failed", async () => {
  const stream = "go-back-failed";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, 4).map((data) => ({ data })) });
  await client.call("subscribe", { stream, ackWaitMs: 300 });
  await client.untilMessages(4);
  const failures = await failOneRead();
  const startedAt = Date.now();

  await client.untilMessages(8);

  expect(failures()).toBe(1);
  expect(client.sequences().slice(0, 8)).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
  expect(Date.now() - startedAt).toBeLessThan(10_000);
});

it("tells a gap once, also when what comes after it is sent again", async () => {
  const stream = "gap-once";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, 5).map((data) => ({ data })) });
  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 1, ackWaitMs: 1_500 });
  await client.untilMessages(1);
  await client.call("deleteMessages", { stream, through: 3 });

  await client.call("ack", { subscription, through: 1 });
  // Message 4, and once more.
  await client.untilMessages(3);

  expect(client.sequences()).toEqual([1, 4, 4]);
  expect(client.of("gap")).toEqual([{ subscription, from: 2, to: 3, reason: "trimmed" }]);
});
