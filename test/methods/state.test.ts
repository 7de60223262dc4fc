import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";

it.each([null, 0, "text", [1, [2]], { a: { b: null }, "": "\uffff" }])(
  "keeps a state of any kind: %j",
  async (state) => {
    const client = await connect();
    const stream = `kinds-${crypto.randomUUID()}`;

    const put = await client.call("putState", { stream, state });

    expect(put).toEqual({ epoch: expect.any(String), revision: 1 });
    expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state, revision: 1 });
  },
);

it("keeps the state through an eviction", async () => {
  const client = await connect();
  const stream = "evicted";
  await client.call("putState", { stream, state: "a" });
  await client.call("putState", { stream, state: "b" });

  await evictDurableObject(env.STREAM.getByName(stream));

  expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: "b", revision: 2 });
  expect(await client.call("putState", { stream, state: "c", expectedRevision: 2 })).toEqual({
    epoch: expect.any(String),
    revision: 3,
  });
});

it("replaces the state only at the revision that is expected, and says which there is", async () => {
  const client = await connect();
  const stream = "expected";
  await client.call("putState", { stream, state: "a", expectedRevision: 0 });

  const conflict = await client.callError("putState", { stream, state: "b", expectedRevision: 0 });
  const put = await client.call("putState", { stream, state: "c", expectedRevision: 1 });

  expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { revision: 1 } });
  expect(put).toEqual({ epoch: expect.any(String), revision: 2 });
  expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: "c", revision: 2 });
});

it("makes no stream by a put that is refused", async () => {
  const client = await connect();

  const conflict = await client.callError("putState", { stream: "refused", state: 1, expectedRevision: 3 });

  expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { revision: 0 } });
  expect(await env.STREAM.getByName("refused").info()).toBeUndefined();
});

it("loses no update of many clients that add to it by compare and swap", { timeout: 30_000 }, async () => {
  const stream = "counter";
  const add = async (client: TestClient) => {
    for (;;) {
      const { state, revision } = await client.call("getState", { stream });
      const next = { stream, state: Number(state) + 1, expectedRevision: revision };
      const put = await client.request("putState", next);
      if (put.error === undefined) {
        return;
      }
      expect(put.error.code).toBe(ErrorCode.Conflict);
    }
  };

  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = await connect();
      for (let round = 0; round < 10; round += 1) {
        await add(client);
      }
    }),
  );

  const client = await connect();
  expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: 80, revision: 80 });
});

describe("checkpoint", () => {
  it("replaces the state and deletes what it covers", async () => {
    const stream = "covered";
    const client = await published(stream, 5);

    const result = await client.call("checkpoint", { stream, state: { rows: 3 }, through: 3, expectedRevision: 0 });

    const { messages } = await client.call("getMessages", { stream });
    expect(result).toEqual({ epoch: expect.any(String), revision: 1, deleted: 3, firstSequence: 4 });
    expect(await client.call("getState", { stream })).toEqual({
      epoch: expect.any(String),
      state: { rows: 3 },
      revision: 1,
    });
    expect(messages.map(({ sequence }) => sequence)).toEqual([4, 5]);
  });

  it("may cover nothing, and everything", async () => {
    const stream = "nothing-and-everything";
    const client = await published(stream, 2);

    const nothing = await client.call("checkpoint", { stream, state: 1, through: 0 });
    const everything = await client.call("checkpoint", { stream, state: 2, through: 2 });

    expect(nothing).toEqual({ epoch: expect.any(String), revision: 1, deleted: 0, firstSequence: 1 });
    expect(everything).toEqual({ epoch: expect.any(String), revision: 2, deleted: 2, firstSequence: 3 });
  });

  it("does neither when the revision is another", async () => {
    const stream = "other-revision";
    const client = await published(stream, 3);

    const conflict = await client.callError("checkpoint", { stream, state: 1, through: 3, expectedRevision: 7 });

    expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { revision: 0 } });
    expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: null, revision: 0 });
    expect((await client.call("getStreamInfo", { stream })).messages).toBe(3);
  });

  it("does neither beyond the end of the stream", async () => {
    const stream = "beyond";
    const client = await published(stream, 3);

    const conflict = await client.callError("checkpoint", { stream, state: 1, through: 4 });
    const unused = await client.callError("checkpoint", { stream: "beyond-unused", state: 1, through: 1 });

    expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { lastSequence: 3 } });
    expect(unused).toMatchObject({ code: ErrorCode.Conflict, data: { lastSequence: 0 } });
    expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: null, revision: 0 });
    expect((await client.call("getStreamInfo", { stream })).messages).toBe(3);
    expect(await env.STREAM.getByName("beyond-unused").info()).toBeUndefined();
  });

  it.each<[how: string, params: { [field: string]: unknown }]>([
    ["checkpoint", { state: "of another", through: 3 }],
    ["deleteMessages", { through: 3 }],
    ["deleteMessages", { sequences: [1, 2, 3] }],
    ["configureStream", { maxMessages: 2 }],
  ])("does neither behind what %s has trimmed: %j", async (method, params) => {
    const stream = `behind-${method}-${Object.keys(params).at(-1)}`;
    const client = await published(stream, 5);
    await client.request(method, { stream, ...params });
    const { epoch, ...before } = await client.call("getState", { stream });

    const conflict = await client.callError("checkpoint", { stream, state: "late", through: 2 });
    const nothing = await client.callError("checkpoint", { stream, state: "late", through: 0 });
    const after = await client.call("getState", { stream });
    const least = Number(conflict.data?.["firstSequence"]) - 1;
    const level = await client.call("checkpoint", { stream, state: "level", through: least });

    expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { firstSequence: 4, epoch } });
    expect(nothing).toMatchObject({ code: ErrorCode.Conflict, data: { firstSequence: 4, epoch } });
    expect(after).toEqual({ epoch, ...before });
    expect(level).toMatchObject({ deleted: 0, firstSequence: 4 });
  });

  it("leaves a state that a reader can go on behind, whichever of two comes first", async () => {
    const stream = "two-checkpointers";
    const one = await published(stream, 5);
    const other = await connect();

    const answers = await Promise.all([
      one.request("checkpoint", { stream, state: { through: 4 }, through: 4 }),
      other.request("checkpoint", { stream, state: { through: 2 }, through: 2 }),
    ]);

    const { state } = await one.call("getState", { stream });
    const { through } = state as { through: number };
    const page = await one.call("getMessages", { stream, from: { sequence: through + 1 } });
    expect(answers.filter(({ error }) => error === undefined).length).toBeGreaterThan(0);
    expect(page).not.toHaveProperty("skipped");
  });

  it("tells who repeats one whose answer was lost, by the revision, that it was done", async () => {
    const stream = "repeated";
    const client = await published(stream, 5);
    const { revision, epoch } = await client.call("getState", { stream });
    const checkpoint = { stream, state: "mine", through: 3, expectedRevision: revision, epoch };
    await client.call("checkpoint", checkpoint);

    const again = await client.callError("checkpoint", checkpoint);

    // One more than was expected, and the state is the one that was sent: nobody else has put it.
    expect(again).toMatchObject({ code: ErrorCode.Conflict, data: { revision: revision + 1, epoch } });
    expect(await client.call("getState", { stream })).toEqual({ state: "mine", revision: revision + 1, epoch });
  });

  it("may be repeated without a revision until another has trimmed more", async () => {
    const stream = "repeated-without";
    const client = await published(stream, 5);
    const checkpoint = { stream, state: "mine", through: 3 };
    await client.call("checkpoint", checkpoint);

    const again = await client.call("checkpoint", checkpoint);
    await client.call("checkpoint", { stream, state: "later", through: 4 });
    const late = await client.callError("checkpoint", checkpoint);

    expect(again).toMatchObject({ revision: 2, deleted: 0, firstSequence: 4 });
    expect(late).toMatchObject({ code: ErrorCode.Conflict, data: { firstSequence: 5 } });
    expect(await client.call("getState", { stream })).toMatchObject({ state: "later", revision: 3 });
  });

  it.each([
    { trims: "what the one before covers", lag: 1, ends: "goes on behind its state", skipped: undefined },
    { trims: "what it covers itself", lag: 0, ends: "has to start over", skipped: { from: 6, to: 8 } },
  ])("trims $trims: a restore as slow as checkpoints come $ends", async ({ lag, skipped }) => {
    const stream = `restored-${lag}`;
    const client = await published(stream, 2);
    const covered = [0];
    const checkpoint = async () => {
      const { revision, epoch } = await client.call("getState", { stream });
      const { lastSequence } = await client.call("getStreamInfo", { stream });
      covered.push(lastSequence);
      const through = covered.at(-1 - lag) ?? 0;
      const state = { through: lastSequence };
      await client.call("checkpoint", { stream, state, through, expectedRevision: revision, epoch });
    };
    const publish = () => client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });
    await checkpoint();
    await publish();
    await checkpoint();

    const reader = await connect();
    const { state, epoch } = await reader.call("getState", { stream });
    const { through } = state as { through: number };
    // It takes as long to load as the next checkpoint takes to come.
    await publish();
    await checkpoint();
    const page = await reader.call("getMessages", { stream, epoch, from: { sequence: through + 1 } });

    expect(page.skipped).toEqual(skipped);
    expect(page.messages.map(({ sequence }) => sequence)).toEqual(skipped === undefined ? [6, 7, 8] : []);
  });

  it("does neither when it fails half way", async () => {
    const stream = "half-way";
    const client = await published(stream, 3);
    const stub = env.STREAM.getByName(stream);
    await runInDurableObject(stub, (_instance, { storage }) => {
      storage.sql.exec("CREATE TRIGGER fault BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'injected'); END");
    });

    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const failed = await client.callError("checkpoint", { stream, state: "half", through: 3 });
    log.mockRestore();

    await runInDurableObject(stub, (_instance, { storage }) => {
      storage.sql.exec("DROP TRIGGER fault");
    });
    const { messages } = await client.call("getMessages", { stream });
    expect(failed.code).toBe(ErrorCode.OutcomeUnknown);
    expect(await client.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: null, revision: 0 });
    expect(messages).toHaveLength(3);
    expect(await client.call("checkpoint", { stream, state: "whole", through: 3 })).toMatchObject({ revision: 1 });
  });
});

async function published(stream: string, count: number): Promise<TestClient> {
  const client = await connect();
  const messages = Array.from({ length: count }, (_, index) => ({ data: index + 1 }));
  await client.call("publishBatch", { stream, messages });
  return client;
}
