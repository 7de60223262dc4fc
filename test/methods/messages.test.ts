import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { Stream } from "../../src/worker.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { forgetSubjects } from "../harness/consumers.ts";
import { evict } from "../harness/objects.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("getMessages", () => {
  const stream = "ten";
  const startMs = Date.UTC(2030, 0, 1);

  /** Messages 1 to 10, a second apart, 3 and 4 in one batch, 2 and 7 deleted, of subjects a.x and b.x in turn. */
  beforeAll(async () => {
    const client = await connect();
    const publish = async (...sequences: number[]) => {
      vi.setSystemTime(startMs + (sequences[0] ?? 0) * 1_000);
      await client.call("publishBatch", {
        stream,
        messages: sequences.map((sequence) => ({ data: sequence, subject: sequence % 2 === 0 ? "a.x" : "b.x.y" })),
      });
    };
    for (const sequences of [[1], [2], [3, 4], [5], [6], [7], [8], [9], [10]]) {
      await publish(...sequences);
    }
    await client.call("deleteMessages", { stream, sequences: [2, 7] });
    vi.useRealTimers();
  });

  it.each<[Partial<MethodParams<"getMessages">>, number[]]>([
    [{}, [1, 3, 4, 5, 6, 8, 9, 10]],
    [{ from: "first" }, [1, 3, 4, 5, 6, 8, 9, 10]],
    [{ from: "new" }, []],
    [{ from: { sequence: 4 } }, [4, 5, 6, 8, 9, 10]],
    [{ from: { sequence: 7 } }, [8, 9, 10]],
    [{ from: { sequence: 11 } }, []],
    [{ from: { time: 0 } }, [1, 3, 4, 5, 6, 8, 9, 10]],
    [{ from: { time: startMs + 3_000 } }, [3, 4, 5, 6, 8, 9, 10]],
    [{ from: { time: startMs + 3_001 } }, [5, 6, 8, 9, 10]],
    [{ from: { time: startMs + 10_000 } }, [10]],
    [{ from: { time: startMs + 10_001 } }, []],
    [{ from: { last: 0 } }, []],
    [{ from: { last: 3 } }, [8, 9, 10]],
    [{ from: { last: 4 } }, [6, 8, 9, 10]],
    [{ from: { last: 100 } }, [1, 3, 4, 5, 6, 8, 9, 10]],
    [{ filter: "a.x" }, [4, 6, 8, 10]],
    [{ filter: "b.*" }, []],
    [{ filter: "b.>" }, [1, 3, 5, 9]],
    [{ filter: "*.x.>", from: { sequence: 4 } }, [5, 9]],
    [{ filter: "a.*", limit: 2 }, [4, 6]],
    [{ filter: "nobody" }, []],
  ])("reads %j", async (params, sequences) => {
    const client = await connect();

    const page = await client.call("getMessages", { stream, ...params });

    expect(page.messages.map(({ sequence }) => sequence)).toEqual(sequences);
    expect(page.lastSequence).toBe(10);
  });

  it.each<Partial<MethodParams<"getMessages">>>([
    { limit: 1 },
    { limit: 2 },
    { limit: 3 },
    { limit: 3, filter: "a.x" },
    { limit: 1, filter: "b.>" },
    { limit: 100 },
  ])("pages through everything once by nextSequence: %j", async (params) => {
    const client = await connect();
    const whole = await client.call("getMessages", { ...params, stream, limit: 500 });

    const paged: unknown[] = [];
    let nextSequence = 1;
    do {
      const page = await client.call("getMessages", { stream, ...params, from: { sequence: nextSequence } });
      expect(page.nextSequence).toBeGreaterThan(nextSequence);
      expect(page.messages.length).toBeLessThanOrEqual(params.limit ?? 500);
      paged.push(...page.messages);
      ({ nextSequence } = page);
    } while (nextSequence <= 10);

    expect(paged).toEqual(whole.messages);
  });

  it("reads the stream in the epoch that is named, or not at all", async () => {
    const client = await connect();
    const { epoch } = await client.call("getMessages", { stream });

    const same = await client.call("getMessages", { stream, epoch, limit: 1 });
    const other = await client.callError("getMessages", { stream, epoch: "another" });

    expect(same.messages).toHaveLength(1);
    expect(other).toMatchObject({ code: ErrorCode.EpochChanged, data: { epoch } });
  });

  it("finds no stream that was never used", async () => {
    const client = await connect();

    const error = await client.callError("getMessages", { stream: "nowhere" });

    expect(error).toMatchObject({ code: ErrorCode.NotFound, data: { what: "stream" } });
  });

  it.each<object>([
    { limit: 0 },
    { limit: 501 },
    { limit: 1.5 },
    { from: "last" },
    { from: { sequence: 0 } },
    { from: { sequence: 1, last: 1 } },
    { from: { sequence: 1, time: -1 } },
    { from: { last: -1 } },
    { from: {} },
    { filter: "" },
    { filter: "a..b" },
    { filter: ">.a" },
    { epoch: "" },
    { unknown: 1 },
  ])("refuses %j", async (params) => {
    const client = await connect();

    const error = await client.callError("getMessages", { stream, ...params });

    expect(error.code).toBe(ErrorCode.InvalidParams);
  });
});

it("ends a page at 1 MiB of text, and the next begins there", async () => {
  const client = await connect();
  const stream = "large";
  for (let sent = 0; sent < 12; sent += 1) {
    await client.call("publish", { stream, data: "x".repeat(150_000), subject: sent % 2 === 0 ? "even" : "odd" });
  }

  const first = await client.call("getMessages", { stream });
  const second = await client.call("getMessages", { stream, from: { sequence: first.nextSequence } });
  const filtered = await client.call("getMessages", { stream, filter: "odd" });

  expect(first.messages).toHaveLength(6);
  expect(second.messages.map(({ sequence }) => sequence)).toEqual([7, 8, 9, 10, 11, 12]);
  expect(filtered.messages.map(({ sequence }) => sequence)).toEqual([2, 4, 6, 8, 10, 12]);
});

it("counts a page in bytes of UTF-8, with a filter or without", async () => {
  const client = await connect();
  const stream = "wide";
  for (let sent = 0; sent < 6; sent += 1) {
    await client.call("publish", { stream, data: "é".repeat(125_000), subject: "a" });
  }

  const whole = await client.call("getMessages", { stream });
  const filtered = await client.call("getMessages", { stream, filter: "a" });

  expect([whole.messages.length, filtered.messages.length]).toEqual([4, 4]);
  expect([whole.nextSequence, filtered.nextSequence]).toEqual([5, 5]);
});

it("finds a few matching messages behind many others, a page at a time", async () => {
  const client = await connect();
  const stream = "sparse";
  const noise = Array.from({ length: 500 }, () => ({ data: 0, subject: "noise" }));
  for (let batch = 0; batch < 24; batch += 1) {
    await client.call("publishBatch", { stream, messages: noise });
  }
  await client.call("publish", { stream, data: "found", subject: "signal" });
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => forgetSubjects(storage));
  await evict(env.STREAM.getByName(stream));

  const first = await client.call("getMessages", { stream, filter: "signal" });
  const second = await client.call("getMessages", { stream, filter: "signal", from: { sequence: first.nextSequence } });

  expect(first.messages).toEqual([]);
  expect(first.nextSequence).toBeLessThanOrEqual(first.lastSequence);
  expect(second.messages.map(({ data }) => data)).toEqual(["found"]);
  expect(second.nextSequence).toBe(12_002);
});

describe("deleteMessages", () => {
  it("deletes through a sequence, and with it", async () => {
    const client = await published("through", 5);

    const result = await client.call("deleteMessages", { stream: "through", through: 3 });
    const again = await client.call("deleteMessages", { stream: "through", through: 3 });

    expect(result).toEqual({ epoch: expect.any(String), deleted: 3, firstSequence: 4, lastSequence: 5 });
    expect(again).toEqual({ epoch: expect.any(String), deleted: 0, firstSequence: 4, lastSequence: 5 });
    expect(await sequencesOf(client, "through")).toEqual([4, 5]);
  });

  it("never gives a sequence out again, not after everything was deleted", async () => {
    const client = await published("everything", 5);

    const result = await client.call("deleteMessages", { stream: "everything", through: 99 });
    const next = await client.call("publish", { stream: "everything", data: 6 });

    expect(result).toEqual({ epoch: expect.any(String), deleted: 5, firstSequence: 6, lastSequence: 5 });
    expect(next.sequence).toBe(6);
  });

  it("deletes single messages and leaves holes", async () => {
    const client = await published("holes", 6);

    const result = await client.call("deleteMessages", { stream: "holes", sequences: [5, 2, 2, 99] });
    const again = await client.call("deleteMessages", { stream: "holes", sequences: [5] });

    expect(result).toEqual({ epoch: expect.any(String), deleted: 2, firstSequence: 1, lastSequence: 6 });
    expect(again.deleted).toBe(0);
    expect(await sequencesOf(client, "holes")).toEqual([1, 3, 4, 6]);
    expect((await client.call("getStreamInfo", { stream: "holes" })).messages).toBe(4);
  });

  it("moves the first sequence over the holes it meets", async () => {
    const client = await published("over-holes", 6);
    await client.call("deleteMessages", { stream: "over-holes", sequences: [2, 3, 5] });

    const single = await client.call("deleteMessages", { stream: "over-holes", sequences: [1] });
    const through = await client.call("deleteMessages", { stream: "over-holes", through: 4 });

    expect(single).toEqual({ epoch: expect.any(String), deleted: 1, firstSequence: 4, lastSequence: 6 });
    expect(through).toEqual({ epoch: expect.any(String), deleted: 1, firstSequence: 6, lastSequence: 6 });
  });

  it("keeps the last sequence when the last messages are deleted one by one", async () => {
    const client = await published("tail", 3);

    const result = await client.call("deleteMessages", { stream: "tail", sequences: [1, 2, 3] });
    const next = await client.call("publish", { stream: "tail", data: 4 });

    expect(result).toEqual({ epoch: expect.any(String), deleted: 3, firstSequence: 4, lastSequence: 3 });
    expect(next.sequence).toBe(4);
  });

  it("takes the space back", async () => {
    const client = await connect();
    const stream = "space";
    const before = await client.call("publishBatch", {
      stream,
      messages: [{ data: "é".repeat(1_000) }, { data: "x" }, { data: "y" }],
    });
    const full = await client.call("getStreamInfo", { stream });

    await client.call("deleteMessages", { stream, sequences: [1] });
    const left = await client.call("getStreamInfo", { stream });
    await client.call("deleteMessages", { stream, through: before.lastSequence });
    const empty = await client.call("getStreamInfo", { stream });

    expect(full.bytes - left.bytes).toBeGreaterThan(2_000);
    expect(left.bytes).toBeGreaterThan(0);
    expect(empty.bytes).toBe(0);
  });

  it("finds no stream that was never used", async () => {
    const client = await connect();

    const error = await client.callError("deleteMessages", { stream: "nowhere-either", through: 1 });

    expect(error).toMatchObject({ code: ErrorCode.NotFound, data: { what: "stream" } });
  });

  it.each<object>([
    {},
    { through: 1, sequences: [1] },
    { through: 0 },
    { sequences: [] },
    { sequences: [0] },
    { sequences: Array.from({ length: 501 }, (_, index) => index + 1) },
    { sequences: 1 },
  ])("refuses %j", async (params) => {
    const client = await connect();

    const error = await client.callError("deleteMessages", { stream: "refused", ...params });

    expect(error.code).toBe(ErrorCode.InvalidParams);
  });
});

async function published(stream: string, count: number): Promise<TestClient> {
  const client = await connect();
  const messages = Array.from({ length: count }, (_, index) => ({ data: index + 1 }));
  await client.call("publishBatch", { stream, messages });
  return client;
}

async function sequencesOf(client: TestClient, stream: string): Promise<number[]> {
  const { messages } = await client.call("getMessages", { stream });
  return messages.map(({ sequence }) => sequence);
}

it("says what a read below the first message skips, and nothing of one that asks for the first", async () => {
  const stream = "read-skips";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: [1, 2, 3, 4, 5].map((data) => ({ data })) });
  await client.call("deleteMessages", { stream, through: 3 });

  const below = await client.call("getMessages", { stream, from: { sequence: 2 } });
  const first = await client.call("getMessages", { stream });
  const last = await client.call("getMessages", { stream, from: { last: 5 } });

  expect(below.skipped).toEqual({ from: 2, to: 3 });
  expect(below.messages.map((message) => message.sequence)).toEqual([4, 5]);
  expect([first.skipped, last.skipped]).toEqual([undefined, undefined]);
});

it("says what is deleted while it looks for the first message", async () => {
  const stream = "read-between-pages";
  const client = await connect();
  const messages = Array.from({ length: 500 }, () => ({ data: 0 }));
  await client.call("publishBatch", { stream, messages });
  await client.call("publishBatch", { stream, messages });
  // A page of nothing, and one behind it.
  const deleted = Array.from({ length: 997 }, (_, index) => index + 2);
  await client.call("deleteMessages", { stream, sequences: deleted.slice(0, 500) });
  await client.call("deleteMessages", { stream, sequences: deleted.slice(500) });
  const spy = vi.spyOn(Stream.prototype, "readPage").mockImplementationOnce(async function (this: Stream, ...call) {
    const page = await this.readPage(...call);
    await this.deleteMessages({ stream, through: 999 });
    return page;
  });
  onTestFinished(() => spy.mockRestore());

  const { messages: found, skipped } = await client.call("getMessages", { stream, from: { sequence: 2 } });

  expect(found.map(({ sequence }) => sequence)).toEqual([1_000]);
  expect(skipped).toEqual({ from: 502, to: 999 });
});
