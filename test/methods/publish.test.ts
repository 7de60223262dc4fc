import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { postCall } from "../harness/http.ts";

afterEach(() => {
  vi.useRealTimers();
});

it("numbers messages from 1 and returns them as they were published", async () => {
  const client = await connect();

  const first = await client.call("publish", { stream: "numbers", data: { text: "héllo" }, subject: "a.b" });
  const second = await client.call("publish", {
    stream: "numbers",
    data: [1, null],
    headers: { kind: "x" },
    id: "id-2",
  });
  const page = await client.call("getMessages", { stream: "numbers" });

  expect([first.sequence, second.sequence]).toEqual([1, 2]);
  expect(first).toEqual({
    stream: "numbers",
    epoch: first.epoch,
    sequence: 1,
    publishedAt: first.publishedAt,
    duplicate: false,
  });
  expect(page).toEqual({
    epoch: first.epoch,
    messages: [
      { sequence: 1, publishedAt: first.publishedAt, subject: "a.b", data: { text: "héllo" } },
      { sequence: 2, publishedAt: second.publishedAt, data: [1, null], headers: { kind: "x" }, id: "id-2" },
    ],
    nextSequence: 3,
    lastSequence: 2,
  });
});

it.each([null, false, 0, "", [], {}, "ü\u0000\u{1f600}", { deep: [{ a: [null] }] }])(
  "keeps data of any kind: %j",
  async (data) => {
    const client = await connect();
    const stream = `kinds-${crypto.randomUUID()}`;

    await client.call("publish", { stream, data });

    const { messages } = await client.call("getMessages", { stream });
    expect(messages[0]?.data).toEqual(data);
  },
);

it("never lets the time of a message go back", async () => {
  const client = await connect();
  const stream = "clock";

  const first = await client.call("publish", { stream, data: 1 });
  vi.setSystemTime(first.publishedAt - 60_000);
  const second = await client.call("publish", { stream, data: 2 });

  expect(second.publishedAt).toBe(first.publishedAt);
});

it("publishes to the stream of the path when none is named", async () => {
  const client = await connect("/stream/by-path");

  client.send('{"jsonrpc":"2.0","id":1,"method":"publish","params":{"data":"here"}}');
  const there = await client.call("publish", { stream: "by-params", data: "there" });

  const here = await client.call("getStreamInfo", { stream: "by-path" });
  expect([here.lastSequence, there.sequence]).toEqual([1, 1]);
});

it("stores an id once and answers where, on another socket too", async () => {
  const client = await connect();
  const other = await connect();
  const publish = { stream: "once", data: "a", id: "the-id" };

  const first = await client.call("publish", publish);
  await client.call("publish", { stream: "once", data: "b" });
  const again = await other.call("publish", { ...publish, data: "not stored" });

  expect(again).toEqual({ ...first, duplicate: true });
  expect(await dataOf("once")).toEqual(["a", "b"]);
});

it("stores an id once when it comes twice in one commit", async () => {
  const client = await connect();
  const publish = { stream: "once-at-once", data: "a", id: "the-id" };

  const [first, second] = await publishAtOnce(client, [publish, publish]);

  expect(first).toMatchObject({ result: { sequence: 1, duplicate: false } });
  expect(second).toMatchObject({ result: { ...first?.result, duplicate: true } });
});

it("remembers an id after its message was deleted", async () => {
  const client = await connect();
  const publish = { stream: "once-deleted", data: "a", id: "the-id" };
  await client.call("publish", publish);

  await client.call("deleteMessages", { stream: "once-deleted", through: 1 });
  const again = await client.call("publish", publish);

  expect(again).toMatchObject({ sequence: 1, duplicate: true });
  expect(await dataOf("once-deleted")).toEqual([]);
});

it("forgets an id when the duplicate window is over", async () => {
  const client = await connect();
  const publish = { stream: "window", data: "a", id: "the-id" };
  await client.call("configureStream", { stream: "window", duplicateWindowMs: 1_000 });
  const first = await client.call("publish", publish);

  vi.setSystemTime(first.publishedAt + 900);
  const within = await client.call("publish", publish);
  vi.setSystemTime(first.publishedAt + 1_100);
  const after = await client.call("publish", publish);

  expect(within).toMatchObject({ sequence: 1, duplicate: true });
  expect(after).toMatchObject({ sequence: 2, duplicate: false });
});

it("knows a retry by its id before it looks at expect", async () => {
  const client = await connect();
  const publish = { stream: "retry", data: "a", id: "the-id", expect: { lastSequence: 0 } };

  const first = await client.call("publish", publish);
  const again = await client.call("publish", publish);

  expect([first.duplicate, again.duplicate]).toEqual([false, true]);
  expect(again.sequence).toBe(1);
});

it("does not remember the id of a publish that was refused", async () => {
  const client = await connect();
  const stream = "refused-id";
  await client.call("publish", { stream, data: 1 });

  const refused = await client.callError("publish", { stream, data: 2, id: "x", expect: { lastSequence: 9 } });
  const stored = await client.call("publish", { stream, data: 2, id: "x", expect: { lastSequence: 1 } });

  expect(refused.code).toBe(ErrorCode.Conflict);
  expect(stored).toMatchObject({ sequence: 2, duplicate: false });
});

it("publishes only at the sequence that is expected, and says which there is", async () => {
  const client = await connect();
  const stream = "expected";
  await client.call("publish", { stream, data: 1, expect: { lastSequence: 0 } });

  const conflict = await client.callError("publish", { stream, data: 2, expect: { lastSequence: 0 } });
  const stored = await client.call("publish", { stream, data: 2, expect: { lastSequence: 1 } });

  expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { lastSequence: 1 } });
  expect(stored.sequence).toBe(2);
});

it("makes no stream by a publish that is refused", async () => {
  const client = await connect();

  const conflict = await client.callError("publish", { stream: "never", data: 1, expect: { lastSequence: 3 } });

  expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { lastSequence: 0 } });
  expect(await env.STREAM.getByName("never").info()).toBeUndefined();
});

it("lets one of many win where all expect the same sequence", async () => {
  const clients = await Promise.all([connect(), connect(), connect(), connect()]);
  const stream = "race";

  const outcomes = await Promise.allSettled(
    clients.flatMap((client, index) =>
      [0, 1, 2].map((nth) => client.call("publish", { stream, data: index * 3 + nth, expect: { lastSequence: 0 } })),
    ),
  );

  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await dataOf(stream)).toHaveLength(1);
});

it("does not let a refused publish touch its neighbours in one commit", async () => {
  const client = await connect();
  const stream = "neighbours";

  const outcomes = await publishAtOnce(client, [
    { stream, data: "a" },
    { stream, data: "b", expect: { lastSequence: 0 } },
    { stream, data: "c", expect: { lastSequence: 1 } },
  ]);

  expect(outcomes).toMatchObject([
    { result: { sequence: 1 } },
    { error: { code: ErrorCode.Conflict, data: { lastSequence: 1 } } },
    { result: { sequence: 2 } },
  ]);
  expect(await dataOf(stream)).toEqual(["a", "c"]);
});

it("stores a batch in a row, one sequence after the other", async () => {
  const client = await connect();
  const stream = "batch";
  await client.call("publish", { stream, data: 0 });

  const stored = await client.call("publishBatch", {
    stream,
    messages: [{ data: 1, subject: "s.1" }, { data: 2, headers: { h: "1" } }, { data: 3 }],
  });

  const { messages } = await client.call("getMessages", { stream, from: { sequence: 2 } });
  expect(stored).toMatchObject({ stream, firstSequence: 2, lastSequence: 4, duplicate: false });
  expect(messages).toEqual([
    { sequence: 2, publishedAt: stored.publishedAt, data: 1, subject: "s.1" },
    { sequence: 3, publishedAt: stored.publishedAt, data: 2, headers: { h: "1" } },
    { sequence: 4, publishedAt: stored.publishedAt, data: 3 },
  ]);
});

it("stores a batch once under its id, and answers its whole range again", async () => {
  const client = await connect();
  const batch = { stream: "batch-once", messages: [{ data: 1 }, { data: 2 }], id: "b" };

  const first = await client.call("publishBatch", batch);
  const again = await client.call("publishBatch", batch);

  expect(again).toEqual({ ...first, duplicate: true });
  expect(await dataOf("batch-once")).toEqual([1, 2]);
});

it("stores all of a batch or nothing", async () => {
  const client = await connect();
  const stream = "all-or-nothing";
  await client.call("configureStream", { stream, maxMessages: 3, discard: "new" });
  await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
  const two = [{ data: 3 }, { data: 4 }];

  const overBound = await client.callError("publishBatch", { stream, messages: two });
  const conflict = await client.callError("publishBatch", { stream, messages: two, expect: { lastSequence: 9 } });
  const tooLarge = await client.callError("publishBatch", {
    stream,
    messages: [{ data: 3 }, { data: "x".repeat(262_144) }],
  });
  const invalid = await client.callError("publishBatch", { stream, messages: [{ data: 3 }, { subject: "a" }] });

  expect([overBound.code, conflict.code, tooLarge.code, invalid.code]).toEqual([
    ErrorCode.LimitReached,
    ErrorCode.Conflict,
    ErrorCode.TooLarge,
    ErrorCode.InvalidParams,
  ]);
  expect(invalid.data).toMatchObject({ issues: [{ path: "messages.1.data" }] });
  expect(await dataOf(stream)).toEqual([1, 2]);
});

it.each(["a", "A-1_b", "a.b.c", Array.from({ length: 16 }, () => "t").join(".")])(
  "takes the subject %s",
  async (subject) => {
    const client = await connect();
    const stream = `subject-${crypto.randomUUID()}`;

    await client.call("publish", { stream, data: 1, subject });

    expect((await client.call("getMessages", { stream })).messages[0]?.subject).toBe(subject);
  },
);

it("keeps headers with any names and values", async () => {
  const client = await connect();
  const headers = { 'a"b': "", ü: "\u0000\uffff", toString: "x", "content-type": "text/plain" };

  await client.call("publish", { stream: "headers", data: 1, headers });

  expect((await client.call("getMessages", { stream: "headers" })).messages[0]?.headers).toEqual(headers);
});

it.each<[string, object]>([
  ["an array", { headers: ["a"] }],
  ["a value that is a number", { headers: { a: 1 } }],
  ["an empty name", { headers: { "": "a" } }],
  ["a name that would get lost", { headers: { constructor: "a" } }],
  ["a name that every object has", { headers: JSON.parse('{"__proto__":"a"}') }],
])("refuses headers that are, or have, %s", async (_what, params) => {
  const client = await connect();

  const error = await client.callError("publish", { stream: "bad-headers", data: 1, ...params });

  expect(error.code).toBe(ErrorCode.InvalidParams);
});

it("publishes over HTTP with the same ids, conditions and errors", async () => {
  const client = await connect();

  const stored = await postCall("publish", { stream: "by-http", data: 1, id: "i" });
  const again = await postCall("publish", { stream: "by-http", data: 1, id: "i" });
  const conflict = await postCall("publish", { stream: "by-http", data: 1, expect: { lastSequence: 0 } });

  expect(stored).toMatchObject({ result: { sequence: 1, duplicate: false } });
  expect(again).toMatchObject({ result: { sequence: 1, duplicate: true } });
  expect(conflict).toMatchObject({ error: { code: ErrorCode.Conflict, data: { lastSequence: 1 } } });
  expect((await client.call("getStreamInfo", { stream: "by-http" })).messages).toBe(1);
});

async function dataOf(stream: string): Promise<unknown[]> {
  const { messages } = await (await connect()).call("getMessages", { stream });
  return messages.map(({ data }) => data);
}

/** Publishes in one frame, which goes in one commit. */
async function publishAtOnce(client: TestClient, publishes: MethodParams<"publish">[]) {
  const calls = publishes.map((params, id) => ({ jsonrpc: "2.0", id, method: "publish", params }));
  return (await client.exchange(JSON.stringify(calls))) as { result?: object; error?: object }[];
}

it("finds a known id before it refuses a message that is too large, whatever is sent with the id", async () => {
  const client = await connect();
  const stream = "known-too-large";
  const data = "x".repeat(300_000);
  const first = await client.call("publish", { stream, data: 1, id: "known" });

  const again = await client.call("publish", { stream, data, id: "known" });
  const batch = await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data }], id: "known" });
  const unknown = await client.callError("publish", { stream, data, id: "unknown" });
  const unused = await client.callError("publish", { stream: "known-to-nobody", data, id: "known" });

  expect(again).toEqual({ ...first, duplicate: true });
  expect(batch).toMatchObject({ firstSequence: 1, lastSequence: 1, duplicate: true });
  for (const refused of [unknown, unused]) {
    expect(refused).toMatchObject({ code: ErrorCode.TooLarge, data: { what: "messageBytes", limit: 262_144 } });
  }
  expect(await dataOf(stream)).toEqual([1]);
  expect(await client.callError("getStreamInfo", { stream: "known-to-nobody" })).toMatchObject({
    code: ErrorCode.NotFound,
  });
});
