import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { messageBody } from "../../src/internal/message-text.ts";
import type { Stream } from "../../src/stream/stream.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, range } from "../harness/objects.ts";

const MIB = 1_048_576;
const BODY = messageBody({ data: "x".repeat(250_000) });

const stub = (stream: string) => env.STREAM.getByName(stream);

function publish(object: Stream, stream: string, messages: number) {
  const bodies = range(1, messages).map(() => BODY);
  return object.publish({ stream, bodies, bytes: bodies.map(({ length }) => length), counts: [messages] });
}

/** A stream of 40 MB, which is too much to be deleted at once, with something of every kind. @returns Its epoch. */
async function fill(client: TestClient, stream: string): Promise<string> {
  await client.call("configureStream", { stream, maxBytes: 100_000_000 });
  await client.call("createConsumer", { stream, consumer: "c" });
  await client.call("putState", { stream, state: "of the old life" });
  await client.call("publish", { stream, data: "old", id: "same" });
  await client.call("publish", { stream, data: "old", producer: { id: "p", sequence: 1 } });
  await client.call("publishBatch", { stream, messages: range(1, 500).map((data) => ({ data })) });
  await client.call("deleteMessages", { stream, sequences: range(3, 400) });
  await runInDurableObject(stub(stream), (object) => publish(object, stream, 160));
  return (await client.call("getStreamInfo", { stream })).epoch;
}

/** What a stream's object stores. */
function stored(stream: string) {
  return runInDurableObject(stub(stream), async (_object, { storage }) => ({
    bytes: storage.sql.databaseSize,
    deleted: tablesOf(storage.sql).filter((name) => name.startsWith("deleted ")),
    alarm: await storage.getAlarm(),
  }));
}

function tablesOf(sql: SqlStorage): string[] {
  return sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*'")
    .toArray()
    .map(({ name }) => name);
}

async function untilSwept(stream: string): Promise<void> {
  await expect.poll(async () => (await stored(stream)).deleted).toEqual([]);
}

/** Holds the turns back; gives them free. */
function holdTurns() {
  const wait = vi.spyOn(scheduler, "wait").mockReturnValue(new Promise(() => {}));
  return () => wait.mockRestore();
}

it("has deleted a large stream at once for every caller, and leaves its rows for later", async () => {
  const client = await connect();
  const stream = "deleted-large";
  const old = await fill(client, stream);
  const { subscription } = await client.call("subscribe", { stream, from: "new" });

  const deleted = await client.call("deleteStream", { stream });
  const { bytes, alarm } = await stored(stream);
  const gone = await client.callError("getStreamInfo", { stream });
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  const again = await client.call("deleteStream", { stream });
  const read = await client.callError("getMessages", { stream, epoch: old });

  expect(deleted).toEqual({ deleted: true });
  expect(bytes).toBeGreaterThan(32 * MIB);
  expect(alarm).not.toBeNull();
  expect(gone.code).toBe(ErrorCode.NotFound);
  expect(closed).toEqual({ subscription, reason: "streamDeleted" });
  expect(again).toEqual({ deleted: false });
  expect(read.code).toBe(ErrorCode.NotFound);
});

it("is another stream when it is made anew, beside which the rows go in turns", async () => {
  const client = await connect();
  const stream = "deleted-anew";
  const old = await fill(client, stream);

  await client.call("deleteStream", { stream });
  const first = await client.call("publish", { stream, data: "new", id: "same" });
  const second = await client.call("publish", { stream, data: "new", producer: { id: "p", sequence: 1 } });
  const { deleted } = await stored(stream);
  const { messages } = await client.call("getMessages", { stream });
  const info = await client.call("getStreamInfo", { stream });
  const state = await client.call("getState", { stream });
  await untilSwept(stream);
  await evict(stub(stream));

  expect(first).toMatchObject({ sequence: 1, duplicate: false });
  expect(second).toMatchObject({ sequence: 2, duplicate: false });
  expect(first.epoch).not.toBe(old);
  expect(deleted).toContain(`deleted ${old} batches`);
  expect(messages.map(({ sequence, data }) => [sequence, data])).toEqual([
    [1, "new"],
    [2, "new"],
  ]);
  expect(info).toMatchObject({ messages: 2, firstSequence: 1, lastSequence: 2, consumers: 0 });
  expect(state).toMatchObject({ state: null, revision: 0 });
  expect((await stored(stream)).bytes).toBeLessThan(MIB);
  expect(await client.call("getStreamInfo", { stream })).toEqual(info);
  expect(await client.call("publish", { stream, data: 3 })).toMatchObject({ sequence: 3, epoch: first.epoch });
});

it("is deleted and made anew right after a duplicate was found in the first of several rows", async () => {
  const client = await connect();
  const stream = "deleted-duplicate";
  await fill(client, stream);
  await client.call("publish", { stream, data: "old", id: "later" });

  const again = await client.call("publish", { stream, data: "old", id: "later" });
  await client.call("deleteStream", { stream });
  const anew = await client.call("publish", { stream, data: "new", id: "later" });
  await untilSwept(stream);

  expect([again.duplicate, anew.duplicate, anew.sequence]).toEqual([true, false, 1]);
});

it("goes on after a crash, with no row of the old life seen in the new one", async () => {
  const client = await connect();
  const stream = "deleted-crashed";
  const old = await fill(client, stream);
  const goOn = holdTurns();
  const { epoch } = await runInDurableObject(stub(stream), async (object, { storage }) => {
    await object.destroy(undefined);
    const reply = await publish(object, stream, 1);
    await storage.sync();
    return reply;
  });
  goOn();
  const before = await stored(stream);
  await abortAllDurableObjects();

  const other = await connect();
  const info = await other.call("getStreamInfo", { stream });
  await untilSwept(stream);

  expect(before.deleted).toContain(`deleted ${old} batches`);
  expect(info).toMatchObject({ epoch, messages: 1, lastSequence: 1 });
  expect(await other.call("publish", { stream, data: 2 })).toMatchObject({ sequence: 2, epoch });
});

it("gives all its storage back by the alarm when it is not made anew, also after a crash", async () => {
  const client = await connect();
  const stream = "deleted-for-good";
  await fill(client, stream);
  await client.call("deleteStream", { stream });
  await abortAllDurableObjects();

  const before = await stored(stream);
  await runDurableObjectAlarm(stub(stream));

  expect(before.alarm).not.toBeNull();
  const { bytes, alarm } = await stored(stream);
  expect(bytes).toBeLessThan(MIB);
  expect(alarm).toBeNull();
  expect(await runInDurableObject(stub(stream), (_object, { storage }) => tablesOf(storage.sql))).toEqual([]);
  expect(await (await connect()).call("publish", { stream, data: 1 })).toMatchObject({ sequence: 1 });
});

it("sweeps several lives, each in turns that free few MiB", async () => {
  const client = await connect();
  const stream = "deleted-twice";
  await fill(client, stream);

  const { before, sizes } = await runInDurableObject(stub(stream), async (object, { storage }) => {
    await object.destroy(undefined);
    object.configure({ stream, maxBytes: 100_000_000 });
    const after: number[] = [];
    const wait = vi.spyOn(scheduler, "wait").mockImplementation(async () => {
      after.push(storage.sql.databaseSize);
      await storage.sync();
    });
    await publish(object, stream, 160);
    await object.destroy(undefined);
    const names = tablesOf(storage.sql).filter((name) => name.endsWith(" batches"));
    await publish(object, stream, 1);
    await vi.waitFor(() => expect(after.at(-1)).toBeLessThan(2 * MIB));
    wait.mockRestore();
    return { before: names, sizes: after };
  });
  await untilSwept(stream);

  const freed = sizes.slice(1).map((size, index) => (sizes[index] ?? 0) - size);
  expect(before.length).toBe(2);
  expect(Math.max(...freed)).toBeLessThan(10 * MIB);
  expect(freed.length).toBeGreaterThan(8);
});

it("stores publishes in the room that a deleted stream is about to leave", async () => {
  const client = await connect();
  const stream = "deleted-room";
  await fill(client, stream);
  const goOn = holdTurns();

  const last = await runInDurableObject(stub(stream), async (object) => {
    await object.destroy(undefined);
    // Of the 8 MiB that it may store.
    await publish(object, stream, 24);
    return object.info()?.lastSequence;
  });
  goOn();

  expect(last).toBe(24);
  const { deleted, bytes } = await stored(stream);
  expect(deleted.length).toBeGreaterThan(0);
  expect(bytes).toBeGreaterThan(40 * MIB);
});

it("has no named index, which would keep its name when its table is set aside", async () => {
  const client = await connect();
  await client.call("publish", { stream: "deleted-indexes", data: 1 });

  const named = await runInDurableObject(stub("deleted-indexes"), (_object, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").toArray(),
  );

  expect(named).toEqual([]);
});
