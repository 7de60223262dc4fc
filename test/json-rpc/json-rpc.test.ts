import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { post } from "../harness/http.ts";
import { untilListed } from "../harness/objects.ts";

/** One way to the server: sends a text and returns what it is answered with, undefined for nothing. */
type Transport = { name: string; open: () => Promise<(text: string) => Promise<unknown>> };

/** On a socket nothing can be waited for only by what comes after it: the answer to a later publish. */
const FENCE = '{"jsonrpc":"2.0","id":"fence","method":"publish","params":{"stream":"fence","data":0}}';

function isFence(frame: string): boolean {
  return frame.startsWith('{"jsonrpc":"2.0","id":"fence"');
}

const TRANSPORTS: Transport[] = [
  {
    name: "a WebSocket",
    open: async () => {
      const client = await connect();
      return async (text) => {
        const before = client.frames.length;
        client.send(text);
        client.send(FENCE);
        await client.until(() => client.frames.slice(before).find(isFence), "the fence to be answered");
        const answers = client.frames.slice(before).filter((frame) => !isFence(frame));
        expect(answers.length).toBeLessThanOrEqual(1);
        return answers[0] === undefined ? undefined : JSON.parse(answers[0]);
      };
    },
  },
  {
    name: "POST /rpc",
    open: async () => async (text) => {
      const { status, body } = await post(text);
      expect(status).toBe(body === undefined ? 204 : 200);
      return body;
    },
  },
];

function error(id: unknown, code: number) {
  return { jsonrpc: "2.0", id, error: expect.objectContaining({ code }) };
}

function result(id: unknown, value: object) {
  return { jsonrpc: "2.0", id, result: expect.objectContaining(value) };
}

const invalidRequest = error(null, ErrorCode.InvalidRequest);
const parseError = error(null, ErrorCode.ParseError);

/**
 * The examples of section 7 of the JSON-RPC 2.0 specification, in its order. Its methods do not exist here; what stands
 * for them: subtract is `getState` (a call with a result), update and notify_* are `publish`, sum is `getMessages`,
 * get_data is `getServerInfo`; foobar and foo.get are unknown there too.
 */
describe.each(TRANSPORTS)("section 7 of the specification through $name", ({ name, open }) => {
  const prefix = name === "POST /rpc" ? "http" : "socket";

  it("takes no positional parameters: the contract's are by name", async () => {
    const ask = await open();

    const first = await ask('{"jsonrpc": "2.0", "method": "getState", "params": ["a", 23], "id": 1}');
    const second = await ask('{"jsonrpc": "2.0", "method": "getState", "params": [23, "a"], "id": 2}');

    expect(first).toEqual(error(1, ErrorCode.InvalidParams));
    expect(second).toEqual(error(2, ErrorCode.InvalidParams));
  });

  it("takes named parameters in any order", async () => {
    const ask = await open();
    const stream = `${prefix}-named`;

    const third = await ask(
      `{"jsonrpc": "2.0", "method": "getState", "params": {"stream": "${stream}", "x": 1}, "id": 3}`,
    );
    const put = await ask(
      `{"jsonrpc": "2.0", "method": "putState", "params": {"state": 7, "stream": "${stream}"}, "id": 3}`,
    );
    const putAgain = await ask(
      `{"jsonrpc": "2.0", "method": "putState", "params": {"stream": "${stream}", "state": 8}, "id": 4}`,
    );

    expect(third).toEqual(error(3, ErrorCode.InvalidParams));
    expect(put).toEqual({ jsonrpc: "2.0", result: { epoch: expect.any(String), revision: 1 }, id: 3 });
    expect(putAgain).toEqual({ jsonrpc: "2.0", result: { epoch: expect.any(String), revision: 2 }, id: 4 });
  });

  it("carries out a notification and answers nothing", async () => {
    const ask = await open();
    const stream = `${prefix}-notification`;

    const update = await ask(
      `{"jsonrpc": "2.0", "method": "publish", "params": {"stream": "${stream}", "data": [1,2,3,4,5]}}`,
    );
    const unknown = await ask('{"jsonrpc": "2.0", "method": "foobar"}');

    expect([update, unknown]).toEqual([undefined, undefined]);
    expect(await messagesOf(stream)).toEqual([[1, 2, 3, 4, 5]]);
  });

  it("answers a call of a method that does not exist", async () => {
    const ask = await open();

    const answer = await ask('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}');

    expect(answer).toEqual(error("1", ErrorCode.MethodNotFound));
  });

  it("answers a call with invalid JSON", async () => {
    const ask = await open();

    const answer = await ask('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]');

    expect(answer).toEqual(parseError);
  });

  it("answers a call with an invalid Request object", async () => {
    const ask = await open();

    const answer = await ask('{"jsonrpc": "2.0", "method": 1, "params": "bar"}');

    expect(answer).toEqual(invalidRequest);
  });

  it("answers a batch of invalid JSON once", async () => {
    const ask = await open();

    const answer = await ask(`[
      {"jsonrpc": "2.0", "method": "getMessages", "params": {"stream": "a"}, "id": "1"},
      {"jsonrpc": "2.0", "method"
    ]`);

    expect(answer).toEqual(parseError);
  });

  it("answers an empty array with one response", async () => {
    const ask = await open();

    const answer = await ask("[]");

    expect(answer).toEqual(invalidRequest);
  });

  it("answers an invalid batch of one with an array", async () => {
    const ask = await open();

    const answer = await ask("[1]");

    expect(answer).toEqual([invalidRequest]);
  });

  it("answers each element of an invalid batch", async () => {
    const ask = await open();

    const answer = await ask("[1,2,3]");

    expect(answer).toEqual([invalidRequest, invalidRequest, invalidRequest]);
  });

  it("answers a mixed batch in order, and nothing for its notification", async () => {
    const ask = await open();
    const stream = `${prefix}-mixed`;

    const answer = await ask(`[
      {"jsonrpc": "2.0", "method": "publish", "params": {"stream": "${stream}", "data": [1,2,4]}, "id": "1"},
      {"jsonrpc": "2.0", "method": "publish", "params": {"stream": "${stream}", "data": [7]}},
      {"jsonrpc": "2.0", "method": "getState", "params": {"stream": "${stream}"}, "id": "2"},
      {"foo": "boo"},
      {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
      {"jsonrpc": "2.0", "method": "getServerInfo", "id": "9"}
    ]`);

    expect(answer).toEqual([
      result("1", { sequence: 1 }),
      { jsonrpc: "2.0", id: "2", result: { state: null, revision: 0, epoch: expect.any(String) } },
      invalidRequest,
      error("5", ErrorCode.MethodNotFound),
      result("9", { name: "durable-stream" }),
    ]);
    expect(await messagesOf(stream)).toEqual([[1, 2, 4], [7]]);
  });

  it("carries out a batch of notifications and answers nothing", async () => {
    const ask = await open();
    const stream = `${prefix}-notifications`;

    const answer = await ask(`[
      {"jsonrpc": "2.0", "method": "publish", "params": {"stream": "${stream}", "data": [1,2,4]}},
      {"jsonrpc": "2.0", "method": "publish", "params": {"stream": "${stream}", "data": [7]}}
    ]`);

    expect(answer).toBeUndefined();
    expect(await messagesOf(stream)).toEqual([[1, 2, 4], [7]]);
  });
});

describe.each(TRANSPORTS)("what only looks like a request, through $name", ({ open }) => {
  it.each([
    ["no jsonrpc member", '{"method":1}', invalidRequest],
    ["no jsonrpc member but an id", '{"method":"getServerInfo","id":7}', error(7, ErrorCode.InvalidRequest)],
    ["another version", '{"jsonrpc":"1.0","method":"getServerInfo","id":7}', error(7, ErrorCode.InvalidRequest)],
    ["a version that is a number", '{"jsonrpc":2.0,"method":"getServerInfo","id":7}', error(7, -32_600)],
    ["no method", '{"jsonrpc":"2.0","id":7}', error(7, ErrorCode.InvalidRequest)],
    ["null", "null", invalidRequest],
    ["a number", "1", invalidRequest],
    ["a string", '"getServerInfo"', invalidRequest],
    ["an empty object", "{}", invalidRequest],
    ["a batch that holds null", "[null]", [invalidRequest]],
    ["a batch in a batch", '[[{"jsonrpc":"2.0","method":"getServerInfo","id":7}]]', [invalidRequest]],
    ["an id that is an object", '{"jsonrpc":"2.0","method":"getServerInfo","id":{}}', invalidRequest],
    ["an id that is an array", '{"jsonrpc":"2.0","method":"getServerInfo","id":[1]}', invalidRequest],
    ["an id that is a boolean", '{"jsonrpc":"2.0","method":"getServerInfo","id":true}', invalidRequest],
    ["params that are a string", '{"jsonrpc":"2.0","method":"getServerInfo","params":"a","id":7}', error(7, -32_600)],
    ["params that are a number", '{"jsonrpc":"2.0","method":"getServerInfo","params":0,"id":7}', error(7, -32_600)],
    ["a response", '{"jsonrpc":"2.0","result":1,"id":7}', error(null, ErrorCode.InvalidRequest)],
    [
      "an error response",
      '{"jsonrpc":"2.0","error":{"code":1,"message":""},"id":7}',
      error(null, ErrorCode.InvalidRequest),
    ],
    ["a byte order mark", '\uFEFF{"jsonrpc":"2.0","method":"getServerInfo","id":7}', parseError],
    ["nothing", "", parseError],
    ["white space", " \n", parseError],
    ["two requests in a row", "{}{}", parseError],
    ["NaN", '{"jsonrpc":"2.0","method":"getServerInfo","id":NaN}', parseError],
  ])("is answered by the letter: %s", async (_what, text, expected) => {
    const ask = await open();

    const answer = await ask(text);

    expect(answer).toEqual(expected);
  });

  it.each(["0", "-1", "1.5", "null", '"0"', '""', '"\\ud800"', '"ü\\n\\""', "9007199254740991"])(
    "answers with the very id: %s",
    async (id) => {
      const ask = await open();

      const answer = await ask(`{"jsonrpc":"2.0","method":"getServerInfo","id":${id}}`);

      expect(answer).toEqual(result(JSON.parse(id), { name: "durable-stream" }));
    },
  );

  it("takes params that are null as none", async () => {
    const ask = await open();

    const info = await ask('{"jsonrpc":"2.0","method":"getServerInfo","params":null,"id":7}');
    const publish = await ask('{"jsonrpc":"2.0","method":"publish","params":null,"id":8}');

    expect(info).toEqual(result(7, { name: "durable-stream" }));
    expect(publish).toEqual(error(8, ErrorCode.InvalidParams));
  });

  it.each(["1e400", "9007199254740993", "-1e999", "1e22"])(
    "refuses an id that could not be given back as it came: %s",
    async (id) => {
      const ask = await open();

      const answer = await ask(`{"jsonrpc":"2.0","method":"getServerInfo","id":${id}}`);

      expect(answer).toEqual(expect.objectContaining({ id: null, error: expect.anything() }));
    },
  );

  it("answers each of two requests that share an id", async () => {
    const ask = await open();
    const call = '{"jsonrpc":"2.0","method":"foobar","id":1}';

    const answer = await ask(`[${call},${call}]`);

    expect(answer).toEqual([error(1, ErrorCode.MethodNotFound), error(1, ErrorCode.MethodNotFound)]);
  });

  it("takes the last of two members of one name", async () => {
    const ask = await open();

    const answer = await ask('{"jsonrpc":"2.0","method":"foobar","id":1,"id":2,"method":"getServerInfo"}');

    expect(answer).toEqual(result(2, { name: "durable-stream" }));
  });

  it("answers a batch of one request with an array", async () => {
    const ask = await open();

    const answer = await ask('[{"jsonrpc":"2.0","method":"getServerInfo","id":1}]');

    expect(answer).toEqual([result(1, { name: "durable-stream" })]);
  });

  it.each(["constructor", "__proto__", "toString", "rpc.", "RPC.discover", "publish ", ""])(
    "knows no method but those of the contract: %j",
    async (method) => {
      const ask = await open();

      const answer = await ask(JSON.stringify({ jsonrpc: "2.0", method, id: 1 }));

      expect(answer).toEqual(error(1, ErrorCode.MethodNotFound));
    },
  );

  it("takes an empty array for no params, as some libraries send it, and no other array", async () => {
    const ask = await open();

    const empty = await ask('{"jsonrpc":"2.0","method":"getServerInfo","params":[],"id":1}');
    const missing = await ask('{"jsonrpc":"2.0","method":"getState","params":[],"id":2}');
    const nested = await ask('{"jsonrpc":"2.0","method":"getServerInfo","params":[{}],"id":3}');

    expect(empty).toMatchObject({ id: 1, result: { name: "durable-stream" } });
    expect(issuePaths(missing)).toEqual(["stream"]);
    expect(nested).toEqual(error(3, ErrorCode.InvalidParams));
  });

  it("says which params are missing or unknown", async () => {
    const ask = await open();

    const missing = await ask('{"jsonrpc":"2.0","method":"publish","id":1}');
    const misspelt = await ask('{"jsonrpc":"2.0","method":"publish","params":{"stream":"a","dato":1},"id":1}');

    expect(issuePaths(missing)).toEqual(["stream", "data"]);
    expect(issuePaths(misspelt)).toEqual(["dato", "data"]);
  });

  it("says what is wrong with params in few words, however much is wrong", async () => {
    const ask = await open();
    const ones = JSON.stringify(Array.from({ length: 20_000 }, () => 1));
    const long = JSON.stringify("x".repeat(100_000));

    const many = await ask(
      `{"jsonrpc":"2.0","method":"publishBatch","params":{"stream":"a","messages":${ones}},"id":1}`,
    );
    const big = await ask(
      `{"jsonrpc":"2.0","method":"publish","params":{"stream":"a","data":1,"expect":${long},${long}:1},"id":1}`,
    );

    for (const answer of [many, big]) {
      expect(answer).toEqual(error(1, ErrorCode.InvalidParams));
      expect(JSON.stringify(answer).length).toBeLessThan(8_000);
    }
  });

  it("refuses numbers that JSON can say and a double can not", async () => {
    const ask = await open();

    const answer = await ask(
      '{"jsonrpc":"2.0","method":"publish","params":{"stream":"too-huge","data":{"deep":[1e400]}},"id":1}',
    );

    expect(answer).toEqual(error(1, ErrorCode.InvalidRequest));
    expect(await infoOf("too-huge")).toBeUndefined();
  });

  it("keeps data to the letter: own __proto__, huge numbers, escaped pairs, empty names", async () => {
    const ask = await open();
    const stream = `letter-${crypto.randomUUID()}`;
    const data =
      '{"__proto__":{"a":1},"constructor":null,"":-0.5,"big":1.7976931348623157e308,"s":"\\ud83d\\ude00 \\uffff","u":"😀\\u0000\\u2028"}';

    const published = await ask(
      `{"jsonrpc":"2.0","method":"publish","params":{"stream":"${stream}","data":${data}},"id":1}`,
    );
    const page = await ask(`{"jsonrpc":"2.0","method":"getMessages","params":{"stream":"${stream}"},"id":2}`);

    expect(published).toEqual(result(1, { sequence: 1 }));
    const [stored] = (page as { result: { messages: { data: unknown }[] } }).result.messages;
    expect(JSON.stringify(stored?.data)).toBe(JSON.stringify(JSON.parse(data)));
  });
});

describe("order", () => {
  it("shows a read what an earlier publish of the same batch stored", async () => {
    const client = await connect();
    const stream = "batch-order";

    const answers = await client.exchange(
      batch([
        ["publish", { stream, data: "a" }],
        ["publish", { stream, data: "b" }],
        ["getMessages", { stream }],
        ["publish", { stream, data: "c" }],
        ["deleteMessages", { stream, through: 1 }],
        ["getMessages", { stream }],
      ]),
    );

    const results = (answers as { id: number; result: { sequence: number; messages: { data: string }[] } }[]).map(
      (answer) => [answer.id, answer.result.sequence ?? answer.result.messages?.map((message) => message.data)],
    );
    expect(results).toEqual([
      [1, 1],
      [2, 2],
      [3, ["a", "b"]],
      [4, 3],
      [5, undefined],
      [6, ["b", "c"]],
    ]);
  });

  it("keeps the publishes of one socket in the order of their frames, sent without waiting", async () => {
    const client = await connect();

    const published = await Promise.all(
      Array.from({ length: 60 }, (_, index) => client.call("publish", { stream: "frame-order", data: index })),
    );

    expect(published.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });

  it("keeps a publish late in a batch before one in a later frame", async () => {
    const client = await connect();
    const stream = "batch-before-frame";

    client.send(
      batch([
        ["getState", { stream }],
        ["publish", { stream, data: "first" }],
        ["getMessages", { stream }],
        ["publish", { stream, data: "second" }],
      ]),
    );
    const third = client.call("publish", { stream, data: "third" });
    client.send(batch([["publish", { stream, data: "fourth" }]]));
    await third;
    await client.until(() => client.frames.length === 3 || undefined, "three answers");

    expect(await messagesOf(stream)).toEqual(["first", "second", "third", "fourth"]);
  });

  it("answers a later request while a batch before it is still under way", async () => {
    const client = await connect();
    const stream = "no-waiting";

    client.send(batch(Array.from({ length: 50 }, (_, index) => ["putState", { stream, state: index }])));
    const info = await client.call("getServerInfo", {});

    expect(info.name).toBe("durable-stream");
    expect(client.frames).toHaveLength(1);
  });
});

describe("harm", () => {
  it("stores no text that stands for bytes that are not UTF-8", async () => {
    const [before, after] = ['{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"bytes","data":"', '"}}'];
    const encoder = new TextEncoder();

    const { status, body } = await post(new Uint8Array([...encoder.encode(before), 0xff, ...encoder.encode(after)]));

    expect({ status, body }).toEqual({ status: 200, body: parseError });
    expect(await infoOf("bytes")).toBeUndefined();
  });

  it("changes nothing by unknown methods and commands", async () => {
    const client = await connect("/stream/untouched");
    await client.call("publish", { stream: "untouched", data: 1 });
    const before = await client.call("getStreamInfo", { stream: "untouched" });

    for (const text of [
      '{"jsonrpc":"2.0","method":"delete","params":{"through":1},"id":"a"}',
      '{"jsonrpc":"2.0","method":"deleteMessages","params":{"through":1,"sequences":[1]},"id":"b"}',
      '{"jsonrpc":"2.0","method":"publish","params":["untouched",1],"id":"c"}',
      '{"command":"publish","data":1,"id":"d"}',
      '{"jsonrpc":"2.0","method":"Publish","params":{"data":1},"id":"e"}',
      "publish",
    ]) {
      await client.exchange(text);
    }

    expect(await client.call("getStreamInfo", { stream: "untouched" })).toEqual(before);
  });

  it("tells a client no more of a fault of the server than the id under which it is logged", async () => {
    const client = await connect();
    const stream = "broken";
    await client.call("putState", { stream, state: 1 });
    await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
      storage.sql.exec("DROP TABLE stream");
    });
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);

    const answer = await client.exchange(
      `{"jsonrpc":"2.0","method":"getState","params":{"stream":"${stream}"},"id":1}`,
    );

    const lines = log.mock.calls.flat().map(String);
    log.mockRestore();
    expect(answer).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: { code: ErrorCode.Unavailable, message: expect.any(String), data: { requestId: expect.any(String) } },
    });
    const { requestId } = (answer as { error: { data: { requestId: string } } }).error.data;
    expect(lines.some((line) => line.includes(requestId))).toBe(true);
  });

  it("logs a fault that a notification met, though nobody is told", async () => {
    const client = await connect();
    const stream = "broken-in-silence";
    await client.call("putState", { stream, state: 1 });
    await untilListed(stream);
    await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
      storage.sql.exec("DROP TABLE stream");
    });
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);

    client.notify("getState", { stream });
    await vi.waitUntil(() => log.mock.calls.length > 0);

    const lines = log.mock.calls.flat().map(String);
    log.mockRestore();
    expect(lines).toEqual([expect.stringContaining("a call to an object failed")]);
    expect(client.frames).toHaveLength(1);
  });
});

function batch(calls: [method: string, params: object][]): string {
  return JSON.stringify(calls.map(([method, params], index) => ({ jsonrpc: "2.0", id: index + 1, method, params })));
}

function issuePaths(answer: unknown): string[] {
  return (answer as { error: { data: { issues: { path: string }[] } } }).error.data.issues.map(({ path }) => path);
}

async function messagesOf(stream: string): Promise<unknown[]> {
  const { messages } = await (await connect()).call("getMessages", { stream });
  return messages.map(({ data }) => data);
}

async function infoOf(stream: string): Promise<unknown> {
  return (await env.STREAM.getByName(stream).info()) ?? undefined;
}
