import { env } from "cloudflare:workers";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { streamWithConsumer } from "../harness/consumers.ts";
import { faultGateway } from "../harness/faults.ts";
import { announcement, evict, gatewayOf, range } from "../harness/objects.ts";
import { overrideWait } from "../harness/waits.ts";
import { WorkerSocket } from "../harness/worker-socket.ts";

type Row = Record<string, SqlStorageValue>;

afterEach(() => {
  vi.restoreAllMocks();
});

/** All that a stream has stored, as a point in time that it can be put back to. */
async function bookmark(stream: string): Promise<Map<string, Row[]>> {
  return runInDurableObject(env.STREAM.getByName(stream), (_stream, { storage: { sql } }) => {
    const tables = sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
    const ours = tables.map(({ name }) => name).filter((name) => !name.startsWith("_cf"));
    return new Map(ours.map((name) => [name, sql.exec<Row>(`SELECT * FROM ${name}`).toArray()]));
  });
}

/** Puts a stream back to a point in time: what a recovery of Durable Objects does, object by object. */
async function putBack(stream: string, tables: Map<string, Row[]>): Promise<void> {
  const stub = env.STREAM.getByName(stream);
  await runInDurableObject(stub, (_stream, { storage }) => {
    storage.transactionSync(() => {
      for (const [name, rows] of tables) {
        storage.sql.exec(`DELETE FROM ${name}`);
        for (const row of rows) {
          const columns = Object.keys(row);
          const places = columns.map(() => "?").join();
          storage.sql.exec(`INSERT INTO ${name} (${columns.join()}) VALUES (${places})`, ...Object.values(row));
        }
      }
    });
  });
  await evict(stub);
}

/** Publishes so many messages to a stream directly, so that no gateway knows of them by having published them. */
async function publishTo(stream: string, count: number, life: string): Promise<void> {
  const bodies = range(1, count).map(() => `"data":"${life}"}`);
  const bytes = bodies.map(({ length }) => length);
  await env.STREAM.getByName(stream).publish({ stream, bodies, bytes, counts: bodies.map(() => 1) });
}

/** A follower that has five messages, and the point in time at which its stream had three. */
async function followed(stream: string) {
  const client = await connect();
  await publishTo(stream, 2, "old");
  const { subscription, epoch } = await client.call("subscribe", { stream });
  await publishTo(stream, 1, "old");
  const before = await bookmark(stream);
  await publishTo(stream, 2, "old");
  await client.untilMessages(5);
  return { client, subscription, epoch, before };
}

const untilClosed = (client: TestClient) =>
  client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");

/** What a subscription is told of a stream that was put back, and how its old position is answered then. */
async function expectTold({ client, subscription, epoch }: Awaited<ReturnType<typeof followed>>, stream: string) {
  expect(await untilClosed(client)).toEqual({ subscription, reason: "streamRestored" });
  const info = await client.call("getStreamInfo", { stream });
  expect(info.epoch).not.toBe(epoch);
  const from = { sequence: 6 };
  const refused = await client.callError("subscribe", { stream, epoch, from });
  expect([refused.code, refused.data]).toEqual([ErrorCode.EpochChanged, { epoch: info.epoch, reason: "restored" }]);
  const data = client.of("messages", subscription).flatMap(({ messages }) => messages.map((message) => message.data));
  expect(data).toEqual(["old", "old", "old", "old", "old"]);
}

it("tells a follower when its stream wakes shorter than it was", async () => {
  const stream = "shorter";
  const seen = await followed(stream);

  await putBack(stream, seen.before);
  await env.STREAM.getByName(stream).info();

  await expectTold(seen, stream);
  // What was there stays, and goes on.
  const { subscription } = await seen.client.call("subscribe", { stream });
  await publishTo(stream, 1, "new");
  expect((await seen.client.untilMessages(4, subscription)).slice(0, 4)).toEqual([1, 2, 3, 4]);
});

it("tells a follower whose gateway slept", async () => {
  const stream = "gateway-slept";
  const seen = await followed(stream);

  await evict(await gatewayOf(seen.client));
  await putBack(stream, seen.before);
  await env.STREAM.getByName(stream).info();

  await expectTold(seen, stream);
});

it.each([2, 1_000])(
  "tells a follower of a stream that has %i new messages before its gateway can ask",
  async (count) => {
    const stream = `grown-by-${count}`;
    const seen = await followed(stream);
    // The first call wakes the stream, so that nothing comes between that and the publishes.
    await evict(await gatewayOf(seen.client));

    await putBack(stream, seen.before);
    await publishTo(stream, count, "new");
    await publishTo(stream, 1, "new");

    await expectTold(seen, stream);
  },
);

it("tells a follower of a stream that has grown beyond what it had before its gateway hears of it", async () => {
  const stream = "grown-unheard";
  const seen = await followed(stream);
  const { epoch } = seen;
  // All pushes but the last are lost: it begins behind what the follower has, which it asks the stream for.
  await faultGateway("deliver", (deliver, push) =>
    push.stream === stream && push.epoch === epoch && push.last < 11 ? true : deliver(push),
  );

  await putBack(stream, seen.before);
  await publishTo(stream, 7, "new");
  await publishTo(stream, 1, "new");

  await expectTold(seen, stream);
});

it("tells a follower that is told nothing by the stream, once something is published through its gateway", async () => {
  overrideWait("PUSH_CHECK_MS", 500);
  const stream = "lease-lost";
  const seen = await followed(stream);
  const { client, before } = seen;
  before.set("gateways", []);

  await putBack(stream, before);
  await publishTo(stream, 40, "new");
  await client.call("publish", { stream, data: "new" });
  const gateway = await gatewayOf(client);
  // By its check for lost pushes.
  await vi.waitFor(async () => {
    await runDurableObjectAlarm(gateway);
    expect(client.of("subscriptionClosed")).toHaveLength(1);
  }, 15_000);

  await expectTold(seen, stream);
});

it("is not misled by where a stream was when it says so late", async () => {
  const stream = "says-so-late";
  const { client, epoch } = await followed(stream);

  await (await gatewayOf(client)).deliver(announcement(stream, epoch, 3));
  await publishTo(stream, 1, "old");
  await client.untilMessages(6);

  expect(client.of("subscriptionClosed")).toEqual([]);
  expect((await client.call("getStreamInfo", { stream })).epoch).toBe(epoch);
});

it("sends nothing of another log to a follower to which it sends again", async () => {
  const stream = "sends-again";
  const client = await connect();
  await publishTo(stream, 2, "old");
  const before = await bookmark(stream);
  await publishTo(stream, 3, "old");
  const { subscription, epoch } = await client.call("subscribe", { stream, ackWaitMs: 1_500, maxDeliver: 50 });
  await client.untilMessages(5);

  // Nothing of the stream reaches the gateway by itself.
  before.set("gateways", []);
  await putBack(stream, before);
  await publishTo(stream, 6, "new");

  await expectTold({ client, subscription, epoch, before }, stream);
});

it("ends what shares a consumer of it, which gives again what it has not settled", async () => {
  const stream = "with-consumer";
  const client = await connect();
  await streamWithConsumer(client, stream, 3, { ackWaitMs: 60_000 });
  const shared = await client.call("subscribe", { stream, consumer: "c" });
  const { subscription } = await client.call("subscribe", { stream });
  await client.untilMessages(3, shared.subscription);
  await client.call("ack", { subscription: shared.subscription, sequences: [1] });
  const before = await bookmark(stream);
  await publishTo(stream, 2, "old");
  await client.untilMessages(5, shared.subscription);
  await client.untilMessages(5, subscription);

  await putBack(stream, before);
  await env.STREAM.getByName(stream).info();
  await client.until(() => (client.of("subscriptionClosed").length === 2 ? true : undefined), "both ends");

  const reasons = client.of("subscriptionClosed").map((closed) => [closed.subscription, closed.reason]);
  expect(new Map(reasons as [number, string][])).toEqual(
    new Map([
      [shared.subscription, "streamRestored"],
      [subscription, "streamRestored"],
    ]),
  );
  const again = await client.call("subscribe", { stream, consumer: "c" });
  expect(await client.untilMessages(2, again.subscription)).toEqual([2, 3]);
});

it("hands the client's follower an epochChanged that says why, and then all there is", async () => {
  const stream = "client-follows";
  const client = new DurableStream({
    url: "https://stream.test",
    token: env.API_KEY,
    WebSocket: WorkerSocket,
    reconnect: { leastMs: 1, mostMs: 20 },
  });
  const subscription = client.subscribe({ stream });
  await subscription.ready;
  await publishTo(stream, 1, "old");
  const before = await bookmark(stream);
  await publishTo(stream, 2, "old");
  const events: unknown[] = [];
  const take = async () => {
    const { value } = await subscription.next();
    events.push(value?.type === "message" ? [value.sequence, value.data] : [value?.type, value]);
  };
  await take();
  await take();
  await take();

  await putBack(stream, before);
  await publishTo(stream, 3, "new");
  for (let count = 0; count < 5; count += 1) {
    await take();
  }

  expect(events).toEqual([
    [1, "old"],
    [2, "old"],
    [3, "old"],
    ["epochChanged", expect.objectContaining({ reason: "restored" })],
    [1, "old"],
    [2, "new"],
    [3, "new"],
    [4, "new"],
  ]);
  await client.close();
});

it("tells a worker that joined after the point in time, and applies none of its acks", async () => {
  const stream = "joined-later";
  const [admin, worker] = [await connect(), await connect()];
  await admin.call("createConsumer", { stream, consumer: "c" });
  await admin.call("publish", { stream, data: "old 1" });
  const before = await bookmark(stream);
  const { subscription } = await worker.call("subscribe", { stream, consumer: "c" });
  await admin.call("publish", { stream, data: "old 2" });
  await worker.untilMessages(2);
  await putBack(stream, before);

  worker.notify("ack", { subscription, sequences: [1, 2] });

  expect(await untilClosed(worker)).toEqual({ subscription, reason: "streamRestored" });
  expect(await admin.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ pending: 1, subscriptions: 0 });
});

it.each(["over the socket that it had", "over another socket"])(
  "acks no message of a restored stream that the client's worker has not handled, %s",
  async (how) => {
    const stream = `worked-before-${how.replaceAll(" ", "-")}`;
    const admin = await connect();
    await admin.call("createConsumer", { stream, consumer: "c", ackWaitMs: 60_000 });
    const sockets: WorkerSocket[] = [];
    class Socket extends WorkerSocket {
      constructor(...args: ConstructorParameters<typeof WorkerSocket>) {
        super(...args);
        sockets.push(this);
      }
    }
    const reconnect = { leastMs: 1, mostMs: 1 };
    await using client = new DurableStream({
      url: "https://stream.test",
      token: env.API_KEY,
      WebSocket: Socket,
      reconnect,
    });
    const release = Promise.withResolvers<void>();
    const begun: unknown[] = [];
    const subscription = client.subscribe({ stream, consumer: "c" }, async ({ data }) => {
      begun.push(data);
      await release.promise;
    });
    await subscription.ready;
    const before = await bookmark(stream);
    await admin.call("publish", { stream, data: "old" });
    await vi.waitUntil(() => begun.length === 1, { timeout: 10_000 });

    await putBack(stream, before);
    await admin.call("publish", { stream, data: "new" });
    if (how === "over another socket") {
      sockets.at(-1)?.close();
    }
    release.resolve();

    await expect(subscription.ended).rejects.toMatchObject({ name: "EpochChanged", data: { reason: "restored" } });
    const { pending, inFlight } = await admin.call("getConsumer", { stream, consumer: "c" });
    expect([begun, pending + inFlight]).toEqual([["old"], 1]);
  },
);

it("does not take a client's word for it: what it has not seen is Conflict, and ends nobody's subscription", async () => {
  const stream = "not-seen";
  const client = await connect();
  await client.call("createConsumer", { stream, consumer: "c" });
  const { publishedAt, epoch } = await client.call("publish", { stream, data: 1 });
  const share = { stream, consumer: "c" };
  await client.call("subscribe", { ...share, seen: { sequence: 1, publishedAt } });

  for (const seen of [
    { sequence: 2, publishedAt },
    { sequence: 1, publishedAt: publishedAt + 1 },
  ]) {
    const refused = await client.callError("subscribe", { ...share, seen });
    expect([refused.code, refused.data]).toEqual([ErrorCode.Conflict, { lastSequence: 1, epoch }]);
  }

  expect(await client.call("getConsumer", share)).toMatchObject({ epoch, subscriptions: 1 });
  expect(client.of("subscriptionClosed")).toEqual([]);
});

it("applies no ack of what a worker had before, though it was sent messages of the restored log since", async () => {
  const stream = "sent-since";
  const [admin, worker] = [await connect(), await connect()];
  await admin.call("createConsumer", { stream, consumer: "c" });
  const { subscription } = await worker.call("subscribe", { stream, consumer: "c" });
  await admin.call("publish", { stream, data: "kept" });
  await worker.untilMessages(1);
  await worker.call("ack", { subscription, sequences: [1] });
  const before = await bookmark(stream);
  await admin.call("publish", { stream, data: "old" });
  await worker.untilMessages(2);
  await putBack(stream, before);
  await admin.call("publishBatch", { stream, messages: [{ data: "new" }, { data: "newer" }] });
  await worker.untilMessages(4);

  worker.notify("ack", { subscription, sequences: [2] });

  expect(await untilClosed(worker)).toEqual({ subscription, reason: "streamRestored" });
  expect(await admin.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ pending: 2, subscriptions: 0 });
});
