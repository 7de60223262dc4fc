import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { messageBody, splitMessages } from "../../src/internal/message-text.ts";
import type { Stream } from "../../src/stream/stream.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, range } from "../harness/objects.ts";
import { countStatements } from "../harness/statements.ts";

/** A message so large that a batch of five is a row, and two such rows are a turn. */
const FIFTH = "x".repeat(25_000);
/** A message that is a row of its own. */
const LARGE = "x".repeat(100_000);

const stub = (stream: string) => env.STREAM.getByName(stream);

async function fill(client: TestClient, stream: string, batches: number, data = FIFTH): Promise<void> {
  for (let batch = 0; batch < batches; batch += 1) {
    await client.call("publishBatch", { stream, messages: range(1, 5).map(() => ({ data })) });
  }
}

/** Number of rows that end at a sequence or before. */
function rowsThrough(sql: SqlStorage, sequence: number): number {
  return sql.exec<{ rows: number }>("SELECT COUNT(*) AS rows FROM batches WHERE last_sequence <= ?", sequence).one()
    .rows;
}

async function untilSwept(stream: string, floor: number): Promise<void> {
  await expect
    .poll(() => runInDurableObject(stub(stream), (_object, { storage }) => rowsThrough(storage.sql, floor)))
    .toBe(0);
}

/**
 * Changes a stream and crashes it before the second turn: no timer of it comes.
 *
 * @returns What it told before, and how many deleted rows were left.
 */
async function changeAndCrash(stream: string, change: (object: Stream) => unknown) {
  const wait = vi.spyOn(scheduler, "wait").mockReturnValue(new Promise(() => {}));
  const before = await runInDurableObject(stub(stream), async (object, { storage }) => {
    await change(object);
    const info = object.info();
    await storage.sync();
    return { info, left: rowsThrough(storage.sql, (info?.firstSequence ?? 1) - 1) };
  });
  wait.mockRestore();
  await abortAllDurableObjects();
  return before;
}

/** Deletes within the object, so that no turn can come before the look at what is left. */
function deleteAndLook(stream: string, through: number) {
  return runInDurableObject(stub(stream), async (object, { storage }) => {
    const deleted = await object.deleteMessages({ stream, through });
    const info = object.info();
    const left = rowsThrough(storage.sql, through);
    const page = await object.readPage("first", 1, 1);
    const first = page !== undefined && "text" in page ? splitMessages(page.text)[0]?.sequence : undefined;
    return { deleted, info, first, left };
  });
}

/** Counts the statements by which rows are deleted. */
const countDeletes = (stream: string) => countStatements(stream, (query) => query.startsWith("DELETE FROM batches"));

it("deletes a quarter of a megabyte a turn", async () => {
  const client = await connect();
  const stream = "sweep-turns";
  await fill(client, stream, 8);
  const deletes = await countDeletes(stream);

  await client.call("deleteMessages", { stream, through: 39 });
  await untilSwept(stream, 39);

  // One for two rows, of seven: the floor is within the last.
  expect(deletes()).toBe(4);
});

it("keeps its sequences when nothing is left but rows to sweep", async () => {
  const client = await connect();
  const stream = "sweep-emptied";
  await fill(client, stream, 8);
  const { left } = await changeAndCrash(stream, (object) => object.deleteMessages({ stream, through: 40 }));

  const other = await connect();
  const info = await other.call("getStreamInfo", { stream });
  await untilSwept(stream, 40);
  await evict(stub(stream));

  expect(left).toBeGreaterThan(0);
  expect(info).toMatchObject({ messages: 0, bytes: 0, firstSequence: 41, lastSequence: 40 });
  expect(await other.call("publish", { stream, data: "next" })).toMatchObject({ sequence: 41 });
});

it("has deleted a long stretch at once for every caller, while its rows go in turns", async () => {
  const client = await connect();
  const stream = "sweep-at-once";
  await fill(client, stream, 14);
  const before = await client.call("getStreamInfo", { stream });

  const { deleted, info, first, left } = await deleteAndLook(stream, 60);

  expect(left).toBeGreaterThan(0);
  expect(deleted).toMatchObject({ deleted: 60, firstSequence: 61, lastSequence: 70 });
  expect(info).toMatchObject({ firstSequence: 61, lastSequence: 70, messages: 10 });
  expect(first).toBe(61);
  expect(Math.abs((info?.bytes ?? 0) - before.bytes / 7)).toBeLessThan(200);
  await client.call("publish", { stream, data: "beside" });
  await untilSwept(stream, 60);
  expect(await client.call("getStreamInfo", { stream })).toMatchObject({ firstSequence: 61, messages: 11 });
});

it("goes on after a crash, with nothing deleted seen again", async () => {
  const client = await connect();
  const stream = "sweep-evicted";
  await fill(client, stream, 14);
  const { left, info } = await changeAndCrash(stream, (object) => object.deleteMessages({ stream, through: 70 }));

  const other = await connect();
  const after = await other.call("getStreamInfo", { stream });

  expect(left).toBeGreaterThan(0);
  expect(after).toEqual(info);
  await untilSwept(stream, 70);
  await evict(stub(stream));
  expect(await other.call("publish", { stream, data: 1 })).toMatchObject({ sequence: 71 });
});

it("stores publishes in the room that deleted rows are about to leave", async () => {
  const client = await connect();
  const stream = "sweep-room";
  await fill(client, stream, 15, LARGE);
  expect(
    await client.callError("publishBatch", { stream, messages: range(1, 9).map(() => ({ data: LARGE })) }),
  ).toMatchObject({ code: ErrorCode.StorageFull });

  const { left, last } = await runInDurableObject(stub(stream), async (object, { storage }) => {
    await object.deleteMessages({ stream, through: 75 });
    const body = messageBody({ data: LARGE });
    const bodies = range(1, 25).map(() => body);
    await object.publish({ stream, bodies, bytes: bodies.map(({ length }) => length), counts: [25] });
    return { left: rowsThrough(storage.sql, 75), last: object.info()?.lastSequence };
  });

  expect(left).toBeGreaterThan(0);
  expect(last).toBe(100);
});

it("has its alarm set as long as rows are left, also when it has fired for something else", async () => {
  const client = await connect();
  const stream = "sweep-alarm";
  await fill(client, stream, 14);

  const { left, alarm } = await runInDurableObject(stub(stream), async (object, { storage }) => {
    await object.deleteMessages({ stream, through: 60 });
    void storage.deleteAlarm();
    object.alarm();
    const rows = rowsThrough(storage.sql, 60);
    return { left: rows, alarm: await storage.getAlarm() };
  });

  expect(left).toBeGreaterThan(0);
  expect(alarm).not.toBeNull();
});

it("keeps what maxAgeMs says with rows left to sweep, over an eviction", async () => {
  const client = await connect();
  const stream = "sweep-by-age";
  await fill(client, stream, 12);
  const nowMs = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now: nowMs + 3_600_000 });
  await fill(client, stream, 2);
  vi.setSystemTime(nowMs + 3_660_000);

  const { info, left } = await changeAndCrash(stream, (object) => object.configure({ stream, maxAgeMs: 1_800_000 }));
  const evicted = await (await connect()).call("getStreamInfo", { stream });
  vi.useRealTimers();

  expect(left).toBeGreaterThan(0);
  expect(info).toMatchObject({ firstSequence: 61, messages: 10 });
  expect(evicted).toEqual(info);
});

it.each([
  ["maxBytes", { maxBytes: 250_000 }],
  ["maxMessages", { maxMessages: 8 }],
  ["maxMessages within a row", { maxMessages: 13 }],
] as const)("keeps what %s says with rows left to sweep, over evictions", async (name, config) => {
  const client = await connect();
  const stream = `sweep-by-${name.replaceAll(" ", "-")}`;
  await fill(client, stream, 14);

  const { info, left } = await changeAndCrash(stream, (object) => object.configure({ stream, ...config }));
  const other = await connect();
  const evicted = await other.call("getStreamInfo", { stream });
  // A config that keeps all brings nothing back.
  await other.call("configureStream", { stream, maxBytes: null, maxMessages: null });
  await evict(stub(stream));
  const wide = await other.call("getStreamInfo", { stream });

  expect(left).toBeGreaterThan(0);
  expect(info?.messages).toBe("maxMessages" in config ? config.maxMessages : 5);
  expect(evicted).toEqual(info);
  expect(wide).toMatchObject({ firstSequence: info?.firstSequence, messages: info?.messages, bytes: info?.bytes });
  await untilSwept(stream, (info?.firstSequence ?? 1) - 1);
});

it("keeps what an array keeps, through trims, deletions, limits and evictions in any order", async () => {
  const client = await connect();
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const runs = Math.ceil(inject("lengths").modelRuns / 400);
  for (let run = 0; run < runs; run += 1) {
    const stream = `sweep-model-${run}`;
    let kept: number[] = [];
    let last = 0;
    let maxMessages: number | undefined;
    for (let step = 0; step < 60; step += 1) {
      const what = random(8);
      if (what <= 2) {
        const count = 1 + random(6);
        const data = random(3) === 0 ? FIFTH : "small";
        await client.call("publishBatch", { stream, messages: range(1, count).map(() => ({ data })) });
        kept.push(...range(last + 1, last + count));
        last += count;
      } else if (last > 0 && what === 3) {
        const through = last - random(20);
        if (through > 0) {
          await client.call("deleteMessages", { stream, through });
          kept = kept.filter((sequence) => sequence > through);
        }
      } else if (last > 0 && what === 4) {
        const sequences = [...new Set(range(1, 4).map(() => Math.max(1, last - random(15))))];
        await client.call("deleteMessages", { stream, sequences });
        kept = kept.filter((sequence) => !sequences.includes(sequence));
      } else if (last > 0 && what === 5) {
        maxMessages = random(2) === 0 ? undefined : 5 + random(20);
        await client.call("configureStream", { stream, maxMessages: maxMessages ?? null });
      } else if (last > 0) {
        await evict(stub(stream));
      }
      if (maxMessages !== undefined) {
        kept = kept.slice(-maxMessages);
      }
      if (last > 0) {
        const info = await client.call("getStreamInfo", { stream });
        const { firstSequence, lastSequence, messages: count } = info;
        const at = { run, step, what };
        const expected = { ...at, firstSequence: kept[0] ?? last + 1, lastSequence: last, count: kept.length };
        expect({ ...at, firstSequence, lastSequence, count }).toEqual(expected);
      }
    }
    const { messages } = await client.call("getMessages", { stream });
    expect(messages.map(({ sequence }) => sequence)).toEqual(kept.slice(0, messages.length));
    await untilSwept(stream, (kept[0] ?? last + 1) - 1 - 6);
  }
});

/** A stream of so many rows of one message each, of which some were deleted singly. @returns Those that are left. */
async function withHoles(client: TestClient, stream: string, isHole: (sequence: number) => boolean): Promise<number[]> {
  for (const data of range(1, 60)) {
    await client.call("publish", { stream, data: `message ${data + 100}` });
  }
  await client.call("deleteMessages", { stream, sequences: range(1, 60).filter(isHole) });
  return range(1, 60).filter((sequence) => !isHole(sequence));
}

const HOLES: readonly [name: string, isHole: (sequence: number) => boolean][] = [
  ["every second message", (sequence) => sequence % 2 === 0],
  ["all but every tenth message", (sequence) => sequence % 10 !== 1],
  ["a stretch in the middle", (sequence) => sequence > 10 && sequence < 50],
];

it.each(HOLES)("finds the last messages with holes: %s", async (name, isHole) => {
  const client = await connect();
  const stream = `holes-last-${name.replaceAll(" ", "-")}`;
  const left = await withHoles(client, stream, isHole);

  for (const last of range(1, left.length + 1)) {
    const { messages } = await client.call("getMessages", { stream, from: { last } });
    expect(messages.map(({ sequence }) => sequence)).toEqual(left.slice(-last));
  }
});

it.each(HOLES)("keeps as many bytes as maxBytes says with holes: %s", async (name, isHole) => {
  const client = await connect();
  const stream = `holes-bytes-${name.replaceAll(" ", "-")}`;
  const left = await withHoles(client, stream, isHole);
  const { bytes } = await client.call("getStreamInfo", { stream });
  // All messages are of one size but for the digits of their sequences, and all rows of one message.
  const each = Math.round(bytes / left.length);

  for (const messages of [left.length - 1, Math.ceil(left.length / 2), 2]) {
    await client.call("configureStream", { stream, maxBytes: each * messages + Math.floor(each / 2) });
    const info = await client.call("getStreamInfo", { stream });
    expect(info).toMatchObject({ messages, firstSequence: left.at(-messages) });
    await evict(stub(stream));
    expect(await client.call("getStreamInfo", { stream })).toEqual(info);
  }
});

it("deletes single messages of many large rows in turns, between which others are answered", async () => {
  const client = await connect();
  const stream = "sweep-scattered";
  await fill(client, stream, 14);
  await client.call("createConsumer", { stream, consumer: "c" });
  const sequences = range(1, 14).map((row) => row * 5 - 2);

  const { deleted, beside } = await runInDurableObject(stub(stream), async (object) => {
    const deleting = object.deleteMessages({ stream, sequences });
    const info = object.info();
    return { deleted: await deleting, beside: info };
  });

  expect(beside).toMatchObject({ messages: 70 - 1, consumers: 1 });
  expect(deleted).toMatchObject({ deleted: 14, firstSequence: 1, lastSequence: 70 });
  const { messages } = await client.call("getMessages", { stream, from: { last: 8 } });
  expect(messages.map(({ sequence }) => sequence)).toEqual([61, 62, 64, 65, 66, 67, 69, 70]);
  const { lost } = await client.call("getConsumer", { stream, consumer: "c" });
  expect(lost).toMatchObject({ from: 3, to: 68, total: 14 });
});
