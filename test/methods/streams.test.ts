import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import { streamBytesOf } from "../../src/platform/settings.ts";
import { CallError, connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict } from "../harness/objects.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("getStreamInfo", () => {
  it("tells what is known of a stream", async () => {
    const client = await connect();
    const stream = "known";
    const { epoch, publishedAt } = await client.call("publish", { stream, data: "abc" });
    await client.call("putState", { stream, state: {} });
    await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
    await client.call("deleteMessages", { stream, through: 1 });

    const info = await client.call("getStreamInfo", { stream });

    expect(info).toEqual({
      stream,
      epoch,
      createdAt: publishedAt,
      config: { discard: "old", duplicateWindowMs: 120_000, producerWindowMs: 604_800_000 },
      firstSequence: 2,
      lastSequence: 3,
      messages: 2,
      bytes: expect.any(Number),
      stateRevision: 1,
      consumers: 0,
      gateways: 0,
    });
  });

  it("counts the gateways that are pushed to", async () => {
    const client = await connect();
    await client.call("subscribe", { stream: "pushed" });

    const info = await client.call("getStreamInfo", { stream: "pushed" });

    expect(info.gateways).toBe(1);
  });
});

it("makes nothing by looking at a stream that was never used", async () => {
  const client = await connect();
  const stream = "looked-at";

  const errors = [
    await client.callError("getStreamInfo", { stream }),
    await client.callError("getMessages", { stream }),
    await client.callError("deleteMessages", { stream, through: 1 }),
  ];
  const state = await client.call("getState", { stream });
  const deleted = await client.call("deleteStream", { stream });

  expect(errors.map(({ code, data }) => ({ code, data }))).toEqual(
    errors.map(() => ({ code: ErrorCode.NotFound, data: { what: "stream" } })),
  );
  expect(state).toEqual({ state: null, revision: 0 });
  expect(deleted).toEqual({ deleted: false });
  expect(await tablesOf(stream)).toEqual([]);
});

const refusals: [method: string, params: object][] = [
  ["publish", { data: 1, expect: { lastSequence: 1 } }],
  ["publish", { data: 1, epoch: "of another epoch" }],
  ["publishBatch", { messages: [{ data: 1 }], expect: { lastSequence: 1 } }],
  ["deleteMessages", { sequences: [1] }],
  ["putState", { state: 1, expectedRevision: 1 }],
  ["checkpoint", { state: 1, through: 1 }],
  ["subscribe", { from: { sequence: 2 } }],
  ["subscribe", { epoch: "of another epoch" }],
  ["subscribe", { consumer: "c" }],
  ["createConsumer", { consumer: "c", from: { sequence: 2 } }],
  ["createConsumer", { consumer: "c", epoch: "of another epoch" }],
  ["getConsumer", { consumer: "c" }],
  ["listConsumers", {}],
  ["pauseConsumer", { consumer: "c", paused: true }],
  ["seekConsumer", { consumer: "c", from: "first" }],
  ["deleteConsumer", { consumer: "c" }],
  ["fetchMessages", { consumer: "c" }],
  ["ackMessages", { consumer: "c", lease: "1.0", sequences: [1] }],
  ["getDeadLetters", { consumer: "c" }],
  ["retryDeadLetters", { consumer: "c" }],
  ["deleteDeadLetters", { consumer: "c" }],
];

it.each(refusals)("makes no stream by a %s that it refuses: %j", async (method, params) => {
  const client = await connect();
  const stream = `refused-${crypto.randomUUID()}`;

  const { code } = await client.callError(method, { stream, ...params });

  expect([ErrorCode.NotFound, ErrorCode.Conflict]).toContain(code);
  expect(await tablesOf(stream)).toEqual([]);
});

describe("configureStream", () => {
  it("makes the stream, and answers the whole config", async () => {
    const client = await connect();
    const stream = "configured";

    const set = await client.call("configureStream", { stream, maxMessages: 10, discard: "new" });
    const more = await client.call("configureStream", { stream, maxAgeMs: 60_000, duplicateWindowMs: 1_000 });
    const { config, lastSequence } = await client.call("getStreamInfo", { stream });

    expect(set).toEqual({ maxMessages: 10, discard: "new", duplicateWindowMs: 120_000, producerWindowMs: 604_800_000 });
    expect(more).toEqual({
      maxMessages: 10,
      maxAgeMs: 60_000,
      discard: "new",
      duplicateWindowMs: 1_000,
      producerWindowMs: 604_800_000,
    });
    expect(config).toEqual(more);
    expect(lastSequence).toBe(0);
  });

  it("puts a field back to its default by null", async () => {
    const client = await connect();
    const stream = "cleared";
    await client.call("configureStream", {
      stream,
      maxAgeMs: 1,
      maxMessages: 1,
      maxBytes: 1,
      discard: "new",
      duplicateWindowMs: 100,
    });

    const cleared = await client.call("configureStream", {
      stream,
      maxAgeMs: null,
      maxMessages: null,
      maxBytes: null,
      discard: null,
      duplicateWindowMs: null,
    });

    expect(cleared).toEqual({ discard: "old", duplicateWindowMs: 120_000, producerWindowMs: 604_800_000 });
  });

  it.each<object>([
    { maxAgeMs: 0 },
    { maxMessages: 0 },
    { maxMessages: 1.5 },
    { maxBytes: 9_000_000_001 },
    { discard: "newest" },
    { duplicateWindowMs: 99 },
    { duplicateWindowMs: 86_400_001 },
    { maxMesages: 1 },
  ])("refuses %j and changes nothing", async (params) => {
    const client = await connect();

    const error = await client.callError("configureStream", { stream: "misconfigured", ...params });

    expect(error.code).toBe(ErrorCode.InvalidParams);
    expect(await tablesOf("misconfigured")).toEqual([]);
  });
});

describe("retention", () => {
  it("keeps the last maxMessages", async () => {
    const client = await connect();
    const stream = "count";
    await client.call("configureStream", { stream, maxMessages: 3 });

    await publishEach(client, stream, [1, 2, 3, 4]);
    await client.call("publishBatch", { stream, messages: [{ data: 5 }, { data: 6 }] });

    expect(await kept(client, stream)).toEqual([4, 5, 6]);
    expect(await client.call("getStreamInfo", { stream })).toMatchObject({
      firstSequence: 4,
      lastSequence: 6,
      messages: 3,
    });
  });

  it("drops at once what a new config does not keep, and brings nothing back with a wider one", async () => {
    const client = await connect();
    const stream = "narrowed";
    await client.call("publishBatch", { stream, messages: [1, 2, 3, 4, 5].map((data) => ({ data })) });

    await client.call("configureStream", { stream, maxMessages: 2 });
    const narrow = await kept(client, stream);
    await client.call("configureStream", { stream, maxMessages: null });
    const wide = await kept(client, stream);
    await evict(env.STREAM.getByName(stream));

    expect([narrow, wide, await kept(client, stream)]).toEqual([
      [4, 5],
      [4, 5],
      [4, 5],
    ]);
  });

  it("drops messages older than maxAgeMs, for a reader at once and from the disk by an alarm", async () => {
    const client = await connect();
    const stream = "age";
    await client.call("configureStream", { stream, maxAgeMs: 60_000 });
    const { publishedAt } = await client.call("publish", { stream, data: "old" });
    vi.setSystemTime(publishedAt + 30_000);
    await client.call("publish", { stream, data: "young" });

    vi.setSystemTime(publishedAt + 61_000);
    const afterFirst = await kept(client, stream);
    vi.setSystemTime(publishedAt + 120_000);
    const ran = await runDurableObjectAlarm(env.STREAM.getByName(stream));
    const rows = await runInDurableObject(
      env.STREAM.getByName(stream),
      (_instance, { storage }) => storage.sql.exec("SELECT first_sequence FROM batches").toArray().length,
    );
    const next = await client.call("publish", { stream, data: "next" });

    expect(afterFirst).toEqual(["young"]);
    expect([ran, rows]).toEqual([true, 0]);
    expect(next.sequence).toBe(3);
  });

  it("keeps at most maxBytes, dropping whole batches", async () => {
    const client = await connect();
    const stream = "bytes";
    await client.call("configureStream", { stream, maxBytes: 3_500 });

    await publishEach(
      client,
      stream,
      ["a", "b", "c", "d", "e"].map((letter) => letter.repeat(1_000)),
    );

    const info = await client.call("getStreamInfo", { stream });
    expect(info).toMatchObject({ firstSequence: 3, lastSequence: 5, messages: 3 });
    expect(info.bytes).toBeLessThanOrEqual(3_500);
  });

  it("refuses the new instead of dropping the old with discard new", async () => {
    const client = await connect();
    const stream = "discard-new";
    await client.call("configureStream", { stream, maxMessages: 2, discard: "new" });
    await publishEach(client, stream, [1, 2]);

    const refused = await client.callError("publish", { stream, data: 3 });
    await client.call("deleteMessages", { stream, through: 1 });
    const stored = await client.call("publish", { stream, data: 3 });

    expect(refused).toMatchObject({ code: ErrorCode.LimitReached, data: { what: "maxMessages", limit: 2 } });
    expect(stored.sequence).toBe(3);
    expect(await kept(client, stream)).toEqual([2, 3]);
  });

  it("counts what one commit adds up to with discard new", async () => {
    const client = await connect();
    const stream = "discard-new-at-once";
    await client.call("configureStream", { stream, maxMessages: 2, discard: "new" });

    const answers = await client.exchange(
      JSON.stringify([1, 2, 3].map((id) => ({ jsonrpc: "2.0", id, method: "publish", params: { stream, data: id } }))),
    );

    expect(answers).toMatchObject([
      { result: { sequence: 1 } },
      { result: { sequence: 2 } },
      { error: { code: ErrorCode.LimitReached, data: { what: "maxMessages", limit: 2 } } },
    ]);
  });

  it("refuses by bytes too with discard new", async () => {
    const client = await connect();
    const stream = "discard-new-bytes";
    await client.call("configureStream", { stream, maxBytes: 2_500, discard: "new" });
    const data = "x".repeat(1_000);
    await publishEach(client, stream, [data, data]);

    const refused = await client.callError("publish", { stream, data });

    expect(refused).toMatchObject({ code: ErrorCode.LimitReached, data: { what: "maxBytes", limit: 2_500 } });
    expect((await client.call("getStreamInfo", { stream })).messages).toBe(2);
  });

  it("keeps whatever it acknowledged with discard new, by the bytes that are stored", async () => {
    const client = await connect();
    const stream = "discard-new-acknowledged";
    await client.call("configureStream", { stream, maxBytes: 1_990, discard: "new" });

    const outcomes: unknown[] = [];
    for (let data = 1; data <= 60; data += 1) {
      outcomes.push(await client.call("publish", { stream, data }).catch((error: CallError) => error.code));
    }

    const refused = outcomes.filter((outcome) => outcome === ErrorCode.LimitReached).length;
    const { bytes, firstSequence, messages } = await client.call("getStreamInfo", { stream });
    expect(refused).toBeGreaterThan(0);
    expect({ firstSequence, messages }).toEqual({ firstSequence: 1, messages: 60 - refused });
    expect(bytes).toBeLessThanOrEqual(1_990);
    // As many as fit, but for the separator that the first message of a row does not have.
    expect(bytes).toBeGreaterThan(1_990 - 100);
  });

  it("refuses what one commit adds up to by the bytes that are stored", async () => {
    const client = await connect();
    const stream = "discard-new-commit";
    await client.call("configureStream", { stream, maxBytes: 1_990, discard: "new" });

    const answers = await client.exchange(publishes(stream, 50));

    const stored = (answers as { result?: unknown }[]).filter(({ result }) => result !== undefined).length;
    expect(stored).toBeLessThan(50);
    expect(await kept(client, stream)).toEqual(Array.from({ length: stored }, (_, index) => index + 1));
  });

  it("drops nothing for bounds below what is stored with discard new, and refuses until there is room", async () => {
    const client = await connect();
    const stream = "discard-new-narrowed";
    await publishEach(client, stream, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

    await client.call("configureStream", { stream, maxMessages: 3, maxBytes: 100, discard: "new" });
    const narrowed = await kept(client, stream);
    const refused = await client.callError("publish", { stream, data: 11 });
    await evict(env.STREAM.getByName(stream));
    const afterEviction = await kept(client, stream);
    await client.call("configureStream", { stream, maxBytes: null });
    await client.call("deleteMessages", { stream, through: 8 });
    const stored = await client.call("publish", { stream, data: 11 });

    expect(narrowed).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(refused).toMatchObject({ code: ErrorCode.LimitReached, data: { what: "maxMessages", limit: 3 } });
    expect(afterEviction).toEqual(narrowed);
    expect(stored.sequence).toBe(11);
    expect(await kept(client, stream)).toEqual([9, 10, 11]);
  });

  it("brings back nothing that was dropped before discard became new", async () => {
    const client = await connect();
    const stream = "old-then-new";
    // One row, which the floor cuts through.
    await client.call("publishBatch", { stream, messages: [1, 2, 3, 4, 5].map((data) => ({ data })) });
    await client.call("configureStream", { stream, maxMessages: 2 });

    await client.call("configureStream", { stream, discard: "new" });
    const before = await kept(client, stream);
    await evict(env.STREAM.getByName(stream));

    expect([before, await kept(client, stream)]).toEqual([
      [4, 5],
      [4, 5],
    ]);
  });

  it("drops by age with discard new too", async () => {
    const client = await connect();
    const stream = "discard-new-age";
    await client.call("configureStream", { stream, maxAgeMs: 60_000, maxMessages: 1, discard: "new" });
    const { publishedAt } = await client.call("publish", { stream, data: "old" });

    vi.setSystemTime(publishedAt + 61_000);
    const stored = await client.call("publish", { stream, data: "new" });

    expect(stored.sequence).toBe(2);
    expect(await kept(client, stream)).toEqual(["new"]);
  });

  it("keeps the newest of a commit that is more than maxBytes", async () => {
    const client = await connect();
    const stream = "commit-over-bytes";
    await client.call("configureStream", { stream, maxBytes: 500 });

    await client.exchange(publishes(stream, 50));

    const data = await kept(client, stream);
    expect(data.at(-1)).toBe(50);
    expect((await client.call("getStreamInfo", { stream })).bytes).toBeLessThanOrEqual(500);
  });

  it("refuses a message that alone is more than maxBytes, and drops nothing for it", async () => {
    const client = await connect();
    const stream = "more-than-all";
    await client.call("configureStream", { stream, maxBytes: 500 });
    await client.call("publish", { stream, data: "small" });

    const refused = await client.callError("publish", { stream, data: "x".repeat(1_000) });

    expect(refused).toMatchObject({ code: ErrorCode.LimitReached, data: { what: "maxBytes", limit: 500 } });
    expect(await kept(client, stream)).toEqual(["small"]);
  });
});

describe("deleteStream", () => {
  it("deletes all a stream holds; made again it is another, and starts at 1", async () => {
    const client = await connect();
    const stream = "reborn";
    const before = await client.call("publish", { stream, data: 1, id: "same" });
    await client.call("putState", { stream, state: "kept?" });
    await client.call("configureStream", { stream, maxMessages: 5 });

    const deleted = await client.call("deleteStream", { stream });
    const gone = await client.callError("getStreamInfo", { stream });
    const tables = await tablesOf(stream);
    const state = await client.call("getState", { stream });
    const after = await client.call("publish", { stream, data: 1, id: "same" });
    const { config } = await client.call("getStreamInfo", { stream });

    expect(deleted).toEqual({ deleted: true });
    expect(gone.code).toBe(ErrorCode.NotFound);
    expect(tables).toEqual([]);
    expect(state).toEqual({ state: null, revision: 0 });
    expect(after).toMatchObject({ sequence: 1, duplicate: false });
    expect(after.epoch).not.toBe(before.epoch);
    expect(config).toEqual({ discard: "old", duplicateWindowMs: 120_000, producerWindowMs: 604_800_000 });
  });

  it("never takes a position of one epoch for one of another", async () => {
    const client = await connect();
    const stream = "epochs";
    const { epoch: old } = await client.call("publish", { stream, data: 1 });
    await client.call("deleteStream", { stream });
    const { epoch } = await client.call("publish", { stream, data: 1 });

    const read = await client.callError("getMessages", { stream, from: { sequence: 1 }, epoch: old });
    const followed = await client.callError("subscribe", { stream, from: { sequence: 1 }, epoch: old });

    expect(read).toMatchObject({ code: ErrorCode.EpochChanged, data: { epoch } });
    expect(followed).toMatchObject({ code: ErrorCode.EpochChanged, data: { epoch } });
  });

  it("does not make a stream of the epoch that a subscriber asks for in vain", async () => {
    const client = await connect();

    const error = await client.callError("subscribe", { stream: "no-such-epoch", epoch: "old" });

    expect(error.code).toBe(ErrorCode.NotFound);
    expect(await tablesOf("no-such-epoch")).toEqual([]);
  });

  it("ends the subscriptions and says why", async () => {
    const client = await connect();
    const stream = "ended";
    const { subscription } = await client.call("subscribe", { stream });

    await client.call("deleteStream", { stream });

    const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
    expect(closed).toEqual({ subscription, reason: "streamDeleted" });
  });
});

describe("a full stream", () => {
  /** The tests' MAX_STREAM_BYTES is 8 MiB. */
  const data = "x".repeat(200_000);

  async function fill(client: TestClient, stream: string): Promise<CallError> {
    for (let sent = 0; sent < 60; sent += 1) {
      const outcome = await client.call("publish", { stream, data }).catch((error: unknown) => error);
      if (outcome instanceof CallError) {
        return outcome;
      }
    }
    throw new Error("the stream was never full");
  }

  it.each([
    ["5000000", 5_000_000],
    ["99000000000", LIMITS.streamMaxBytes],
    ["Infinity", LIMITS.streamMaxBytes],
    ["1 GiB", LIMITS.streamBytes],
    ["", LIMITS.streamBytes],
    [undefined, LIMITS.streamBytes],
  ])("is full at what MAX_STREAM_BYTES %j says, as far as it is a number and no stream too large", (value, bytes) => {
    expect(streamBytesOf(value === undefined ? {} : { MAX_STREAM_BYTES: value })).toBe(bytes);
  });

  it("refuses what is published, and still reads, trims, checkpoints and acks", async () => {
    const client = await connect();
    const stream = "full";
    const { subscription } = await client.call("subscribe", { stream, maxInFlight: 1 });

    const full = await fill(client, stream);

    const info = await client.call("getStreamInfo", { stream });
    expect(full.code).toBe(ErrorCode.StorageFull);
    expect(info.bytes).toBeGreaterThan(6_000_000);
    expect(info.bytes).toBeLessThanOrEqual(8_388_608);
    expect((await client.call("getMessages", { stream, limit: 1 })).messages).toHaveLength(1);
    expect(await client.call("putState", { stream, state: "still" })).toEqual({
      epoch: expect.any(String),
      revision: 1,
    });
    await client.untilMessages(1);
    expect(await client.call("ack", { subscription, through: 1 })).toEqual({});
    expect(await client.call("deleteMessages", { stream, sequences: [2] })).toMatchObject({ deleted: 1 });
    expect(await client.call("checkpoint", { stream, state: "trimmed", through: 20 })).toMatchObject({ deleted: 19 });
    expect(await client.call("publish", { stream, data })).toMatchObject({ sequence: info.lastSequence + 1 });
  });

  it("stores what fits of one commit and refuses the rest, message by message", async () => {
    const client = await connect();
    const stream = "full-in-one-go";
    await fill(client, stream);
    const { lastSequence } = await client.call("deleteMessages", { stream, through: 2 });

    const answers = await client.exchange(
      JSON.stringify(
        Array.from({ length: 4 }, (_, id) => ({ jsonrpc: "2.0", id, method: "publish", params: { stream, data } })),
      ),
    );

    expect(answers).toMatchObject([
      { result: { sequence: lastSequence + 1 } },
      { result: { sequence: lastSequence + 2 } },
      { error: { code: ErrorCode.StorageFull } },
      { error: { code: ErrorCode.StorageFull } },
    ]);
  });
});

/** A JSON-RPC batch that publishes 1, 2, 3, … */
function publishes(stream: string, count: number): string {
  return JSON.stringify(
    Array.from({ length: count }, (_, id) => ({
      jsonrpc: "2.0",
      id,
      method: "publish",
      params: { stream, data: id + 1 },
    })),
  );
}

async function publishEach(client: TestClient, stream: string, data: unknown[]): Promise<void> {
  for (const each of data) {
    await client.call("publish", { stream, data: each });
  }
}

async function kept(client: TestClient, stream: string): Promise<unknown[]> {
  const { messages } = await client.call("getMessages", { stream });
  return messages.map((message) => message.data);
}

function tablesOf(stream: string): Promise<unknown[]> {
  return runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) =>
    storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'")
      .toArray()
      .map(({ name }) => name),
  );
}
