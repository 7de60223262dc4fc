import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";

import { ErrorCode, ALTERNATIVES } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { evict } from "../harness/objects.ts";
import { post } from "../harness/http.ts";

afterEach(() => {
  vi.useRealTimers();
});

const FRAME_BYTES = 1_048_576;

describe("a frame", () => {
  it.each([frameOf, twoByteFrameOf])("of 1 MiB is answered", async (make) => {
    const client = await connect();

    const answer = await client.exchange(make(FRAME_BYTES));
    const { status } = await post(make(FRAME_BYTES));

    expect(answer).toMatchObject({ result: { state: null } });
    expect(status).toBe(200);
  });

  it.each([frameOf, twoByteFrameOf])(
    "of a byte more hears what to use instead and closes the socket with 1009, and is 413 over HTTP",
    async (make) => {
      const client = await connect();

      const answer = await client.exchange(make(FRAME_BYTES + 1));
      const { code } = await client.until(() => client.closed, "the socket to close");
      const { status, body } = await post(make(FRAME_BYTES + 1));

      const data = { what: "frameBytes", limit: FRAME_BYTES, use: ALTERNATIVES.frame };
      expect(answer).toMatchObject({ id: null, error: { code: ErrorCode.TooLarge, data } });
      expect(code).toBe(1009);
      expect(status).toBe(413);
      expect(body).toEqual(answer);
    },
  );

  it("that is binary closes the socket with 1003", async () => {
    const client = await connect();

    client.send(new ArrayBuffer(2));

    expect((await client.until(() => client.closed, "the socket to close")).code).toBe(1003);
  });

  it("may hold params of 32 levels, whatever they are sent in", async () => {
    const client = await connect();
    const tooLarge = { id: 7, error: { code: ErrorCode.TooLarge, data: { what: "nesting", limit: 32 } } };

    expect(await client.exchange(nestedCall(31))).toMatchObject({ result: { sequence: 1 } });
    expect(await client.exchange(nestedCall(32))).toMatchObject(tooLarge);
    expect(await client.exchange(`[${nestedCall(31)}]`)).toMatchObject([{ result: { sequence: 2 } }]);
    expect(await client.exchange(`[${nestedCall(32)}]`)).toMatchObject([tooLarge]);
    expect(await client.exchange(nestedCall(500_000))).toMatchObject(tooLarge);
    expect((await post(nestedCall(31))).body).toMatchObject({ result: { sequence: 3 } });
    expect((await post(`[${nestedCall(31)}]`)).body).toMatchObject([{ result: { sequence: 4 } }]);
    expect((await post(nestedCall(32))).body).toMatchObject(tooLarge);
  });

  it("may hold 500 calls", async () => {
    const client = await connect();
    const tooLarge = { id: null, error: { code: ErrorCode.TooLarge, data: { what: "batchCalls", limit: 500 } } };

    expect(await client.exchange(batchOf(500))).toHaveLength(500);
    expect(await client.exchange(batchOf(501))).toMatchObject(tooLarge);
    expect((await post(batchOf(501))).body).toMatchObject(tooLarge);
  });
});

it("answers a batch with about 4 MiB and refuses what is left, which it does not begin, but for publishes", async () => {
  const client = await connect();
  const stream = "batch-answer";
  for (let sent = 0; sent < 4; sent += 1) {
    await client.call("publish", { stream, data: "x".repeat(250_000) });
  }
  const read = { jsonrpc: "2.0", method: "getMessages", params: { stream } };
  const calls = [
    ...Array.from({ length: 8 }, (_, id) => ({ ...read, id })),
    { jsonrpc: "2.0", id: 8, method: "putState", params: { stream, state: "not put" } },
    { jsonrpc: "2.0", method: "publish", params: { stream, data: "a notification" } },
    { jsonrpc: "2.0", id: 9, method: "publish", params: { stream, data: "a request" } },
  ];

  const answers = await client.exchange(JSON.stringify(calls));
  const overHttp = await post(JSON.stringify(calls.slice(0, 9)));

  const tooLarge = { error: { code: ErrorCode.TooLarge, data: { what: "batchAnswerBytes", limit: 4_194_304 } } };
  const page = { result: { lastSequence: 4 } };
  expect(answers).toMatchObject(
    [page, page, page, page, page, tooLarge, tooLarge, tooLarge, tooLarge, { result: { sequence: 6 } }].map(
      (answer, id) => ({ ...answer, id }),
    ),
  );
  expect(overHttp.body).toMatchObject([{}, {}, {}, {}, {}, tooLarge, tooLarge, tooLarge, tooLarge]);
  expect(await client.call("getStreamInfo", { stream })).toMatchObject({ lastSequence: 6, stateRevision: 0 });
  // Every call was answered, so none is in flight any more.
  await Promise.all(Array.from({ length: 64 }, () => client.call("getServerInfo", {})));
});

describe("a message", () => {
  /** What stands around the data in a message's text without its head: `"data":"…"}`. */
  const AROUND = 10;
  const LIMIT = 262_144;
  const tooLarge = { code: ErrorCode.TooLarge, data: { what: "messageBytes", limit: LIMIT } };

  it("may have 256 KiB of UTF-8, subject, headers and id included", async () => {
    const client = await connect();
    const stream = "message-bytes";

    const most = await client.call("publish", { stream, data: "x".repeat(LIMIT - AROUND) });
    const more = await client.callError("publish", { stream, data: "x".repeat(LIMIT - AROUND + 1) });
    const wide = await client.callError("publish", { stream, data: "é".repeat(LIMIT / 2) });
    const withId = await client.callError("publish", { stream, data: "x".repeat(LIMIT - AROUND), id: "i" });
    const inBatch = await client.callError("publishBatch", {
      stream,
      messages: [{ data: 1 }, { data: "x".repeat(LIMIT) }],
    });

    expect(most.sequence).toBe(1);
    for (const error of [more, wide, withId, inBatch]) {
      expect(error).toMatchObject(tooLarge);
    }
    expect((await client.call("getStreamInfo", { stream })).lastSequence).toBe(1);
  });

  it("comes in batches of 500 at most", async () => {
    const client = await connect();
    const stream = "batch-messages";

    const most = await client.call("publishBatch", { stream, messages: messagesOf(500) });
    const more = await client.callError("publishBatch", { stream, messages: messagesOf(501) });
    const none = await client.callError("publishBatch", { stream, messages: [] });

    expect(most.lastSequence).toBe(500);
    expect([more.code, none.code]).toEqual([ErrorCode.InvalidParams, ErrorCode.InvalidParams]);
  });

  it.each<[string, object, object]>([
    ["128 characters of stream", { stream: "s".repeat(128) }, { stream: "s".repeat(129) }],
    ["a stream of [A-Za-z0-9._-]", { stream: "_A.z-9" }, { stream: "a b" }],
    ["a stream that does not start with a dot", { stream: "-a" }, { stream: ".a" }],
    ["a stream of at least a character", { stream: "s" }, { stream: "" }],
    ["128 characters of id", { id: "i".repeat(128) }, { id: "i".repeat(129) }],
    ["an id of at least a character", { id: "i" }, { id: "" }],
    ["256 characters of subject", { subject: "s".repeat(256) }, { subject: "s".repeat(257) }],
    ["16 tokens of subject", { subject: tokens(16) }, { subject: tokens(17) }],
    ["a subject of non-empty tokens", { subject: "a.b" }, { subject: "a..b" }],
    ["a subject without wildcards", { subject: "a" }, { subject: "a.*" }],
    ["a subject of at least a token", { subject: "a" }, { subject: "" }],
    ["32 headers", { headers: headers(32) }, { headers: headers(33) }],
    ["4,096 characters of headers", { headers: { a: "h".repeat(4_095) } }, { headers: { a: "h".repeat(4_096) } }],
  ])("has at most %s", async (_what, most, more) => {
    const client = await connect();
    const stream = `message-${crypto.randomUUID()}`;

    const stored = await client.request("publish", { stream, data: 1, ...most });
    const refused = await client.callError("publish", { stream, data: 1, ...more });

    expect(stored.error).toBeUndefined();
    expect(refused.code).toBe(ErrorCode.InvalidParams);
  });
});

it("lets a state have 256 KiB", async () => {
  const client = await connect();
  const stream = "state-bytes";
  const most = "x".repeat(262_142);
  await client.call("publish", { stream, data: 1 });

  const put = await client.call("putState", { stream, state: most });
  const errors = [
    await client.callError("putState", { stream, state: `${most}x` }),
    await client.callError("checkpoint", { stream, state: `${most}x`, through: 1 }),
  ];

  expect(put.revision).toBe(1);
  for (const error of errors) {
    expect(error).toMatchObject({ code: ErrorCode.TooLarge, data: { what: "stateBytes", limit: 262_144 } });
  }
  expect((await client.call("getStreamInfo", { stream })).messages).toBe(1);
});

it("remembers 200,000 ids within the duplicate window; one more is RateLimited", async () => {
  const client = await connect();
  const stream = "publish-ids";
  const { publishedAt } = await client.call("publish", { stream, data: 0, id: "first" });
  const stub = env.STREAM.getByName(stream);
  await runInDurableObject(stub, (_instance, { storage }) => {
    for (let row = 0; row < 10; row += 1) {
      const count = row === 0 ? 19_999 : 20_000;
      const ids = Array.from({ length: count }, (_, nth) => [`${row}-${nth}`, 1, 1]);
      storage.sql.exec(
        "INSERT INTO publish_ids (first_sequence, published_at, ids) VALUES (?, ?, ?)",
        1_000 + row,
        publishedAt,
        JSON.stringify(ids),
      );
    }
  });
  await evict(stub);

  const refused = await client.callError("publish", { stream, data: 1, id: "one-more" });
  const known = await client.call("publish", { stream, data: 1, id: "9-19999" });
  const without = await client.call("publish", { stream, data: 1 });
  // In one commit: those of a caller behind one that it has to send again are not stored before it, others are.
  const other = await connect();
  const together = [
    client.request("publish", { stream, data: "again", id: "another" }),
    client.request("publish", { stream, data: "behind" }),
    client.request("publish", { stream, data: "known", id: "9-19999" }),
    other.request("publish", { stream, data: "of another" }),
  ];
  const answers = await Promise.all(together);
  vi.setSystemTime(publishedAt + 120_001);
  const later = await client.call("publish", { stream, data: 2, id: "one-more" });

  expect(refused).toMatchObject({ code: ErrorCode.RateLimited, data: { retryAfterMs: expect.any(Number) } });
  expect(Number(refused.data?.["retryAfterMs"])).toBeLessThanOrEqual(120_000);
  expect(answers).toMatchObject([
    { error: { code: ErrorCode.RateLimited } },
    { error: { code: ErrorCode.Unavailable } },
    { result: { duplicate: true } },
    { result: { sequence: 3 } },
  ]);
  expect([known.duplicate, without.sequence, later.sequence]).toEqual([true, 2, 4]);
});

function tokens(count: number): string {
  return Array.from({ length: count }, () => "t").join(".");
}

function headers(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}`, ""]));
}

/** A request of so many bytes, half of them in characters of two. */
function frameOf(bytes: number): string {
  const frame = '{"jsonrpc":"2.0","id":1,"method":"getState","params":{"stream":"frames"}}';
  const pad = bytes - frame.length - 2;
  return `${frame}${" ".repeat(2 + pad)}`;
}

function twoByteFrameOf(bytes: number): string {
  const [before, after] = ['{"jsonrpc":"2.0","id":"', '","method":"getState","params":{"stream":"frames"}}'];
  const room = bytes - before.length - after.length;
  return `${before}${"é".repeat(room / 2)}${room % 2 === 0 ? "" : " "}${after}`;
}

/** A publish whose data is so many arrays in each other. */
function nestedCall(levels: number): string {
  const data = "[".repeat(levels) + "]".repeat(levels);
  return `{"jsonrpc":"2.0","id":7,"method":"publish","params":{"stream":"nested","data":${data}}}`;
}

function batchOf(calls: number): string {
  return `[${Array.from({ length: calls }, (_, id) => `{"jsonrpc":"2.0","id":${id},"method":"getServerInfo"}`).join(",")}]`;
}

function messagesOf(count: number): { data: number }[] {
  return Array.from({ length: count }, (_, index) => ({ data: index }));
}
