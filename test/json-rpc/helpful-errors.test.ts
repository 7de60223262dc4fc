import { toJsonSchema } from "@valibot/to-json-schema";
import { beforeAll, describe, expect, it } from "vitest";

import { ErrorCode, isMethodName, METHODS } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";
import { EXAMPLES } from "../../rpc/openrpc/examples.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { postCall } from "../harness/http.ts";
import { tokenFor } from "../harness/tokens.ts";

let client: TestClient;

beforeAll(async () => {
  client = await connect();
});

type JsonSchema = { properties?: Record<string, unknown>; required?: string[] };

/** What a method takes; of alternatives the one that is listed first. */
function paramsSchema(method: MethodName): JsonSchema {
  const { anyOf, ...whole } = toJsonSchema(METHODS[method].params, { errorMode: "ignore" });
  return (anyOf?.[0] ?? whole) as JsonSchema;
}

const NAMES = Object.keys(METHODS).filter(isMethodName);

/** Every method with every field of it. */
const FIELDS = NAMES.flatMap((method) =>
  Object.keys(paramsSchema(method).properties ?? {}).map((field) => [method, field] as const),
);

/** Params that fit a method, but that one field has another name. */
function misspelling(method: MethodName, field: string, misspelt: string): object {
  const example: object = method === "rpc.discover" ? {} : EXAMPLES[method].params;
  const { properties = {} } = paramsSchema(method);
  const fitting = Object.entries(example).filter(([name]) => name !== field && name in properties);
  return { ...Object.fromEntries(fitting), [misspelt]: Reflect.get(example, field) ?? 1 };
}

describe("params that do not fit", () => {
  it.each(FIELDS)(
    "of %s: the field that may be meant is named for %s with a letter too many",
    async (method, field) => {
      const misspelt = `${field}${field.at(-1)}`;

      const error = await client.callError(method, misspelling(method, field, misspelt));

      expect(error).toMatchObject({
        code: ErrorCode.InvalidParams,
        message: `${method}: params.${misspelt} is not known; did you mean ${field}?`,
        data: { issues: expect.arrayContaining([{ path: misspelt, reason: `is not known; did you mean ${field}?` }]) },
      });
    },
  );

  it.each(NAMES.map((method) => [method, paramsSchema(method).required?.[0]] as const))(
    "of %s: the first field that is missing is named",
    async (method, first) => {
      const { error } = await client.request(method, first === undefined ? { nothing: 1 } : {});

      const known = Object.keys(paramsSchema(method).properties ?? {});
      const list = known.length === 0 ? "there are none" : `known are ${known.join(", ")}`;
      const message = first === undefined ? `params.nothing is not known; ${list}` : `params.${first} is missing`;
      expect(error?.code).toBe(ErrorCode.InvalidParams);
      expect(error?.message.startsWith(`${method}: ${message}`)).toBe(true);
    },
  );

  const stream = "s";
  const lease = "l";
  const consumer = "c";
  it.each<[MethodName, object, string]>([
    [
      "subscribe",
      { stream, from: "latest" },
      'from must be "first", "new", { sequence }, { time } or { last }, not "latest"',
    ],
    ["subscribe", { stream, from: 5 }, 'from must be "first", "new", { sequence }, { time } or { last }, not 5'],
    [
      "subscribe",
      { stream, from: [] },
      'from must be "first", "new", { sequence }, { time } or { last }, not an array',
    ],
    ["subscribe", { maxInflight: 5 }, "maxInflight is not known; did you mean maxInFlight?"],
    ["subscribe", { stream, form: "new" }, "form is not known; did you mean from?"],
    ["subscribe", { stream, consumer, from: "new" }, "from does not go with consumer"],
    ["subscribe", { stream, consumer, filter: "a", ackWaitMs: 1 }, "consumer does not go with filter"],
    ["subscribe", { stream, consumer, maxInFlight: 0 }, "maxInFlight must be at least 1, not 0"],
    ["subscribe", { stream, from: {} }, "from.sequence is missing; time or last may stand for it"],
    ["subscribe", { stream, from: { seq: 1 } }, "from.seq is not known; did you mean sequence?"],
    ["subscribe", { stream, from: { sequence: "5" } }, 'from.sequence must be a number, not "5"'],
    ["subscribe", { stream, from: { sequence: 0 } }, "from.sequence must be at least 1, not 0"],
    ["subscribe", { stream, from: { sequence: 1, last: 1 } }, "from.last does not go with sequence"],
    ["ack", { sequence: 5 }, "sequence is not known; did you mean sequences?"],
    ["ack", { subscription: 1 }, "through is missing; sequences may stand for it"],
    ["ack", { subscription: 1, through: 1, sequences: [1] }, "sequences does not go with through"],
    ["ack", { subscription: 1, sequences: [1, "2"] }, 'sequences.1 must be a number, not "2"'],
    ["deleteMessages", { stream }, "through is missing; sequences may stand for it"],
    ["deleteMessages", { stream, sequences: [] }, "sequences must be at least 1 element, not 0"],
    ["deleteObject", { key: "a", keys: ["a"] }, "keys does not go with key"],
    ["deleteObject", { keys: ["a", ""] }, 'keys.1 must not be empty, not ""'],
    ["getMessages", { stream, limit: 501 }, "limit must be at most 500, not 501"],
    ["getMessages", { stream, limit: 1.5 }, "limit must be a whole number, not 1.5"],
    ["getMessages", { stream: "a b" }, 'stream must be of [A-Za-z0-9._-] and not start with a dot, not "a b"'],
    ["getMessages", { stream: "s".repeat(129) }, "stream must be at most 128 characters, not 129"],
    ["publish", { stream, data: 1, headers: { a: 5 } }, "headers.a must be a string, not a number"],
    [
      "publish",
      { stream, data: 1, headers: [] },
      "headers must be an object without the names __proto__, prototype, constructor",
    ],
    ["publish", { stream, data: 1, expect: "none" }, 'expect must be an object, not "none"'],
    ["publishBatch", { stream, messages: 5 }, "messages must be an array, not 5"],
    [
      "publishBatch",
      { stream, messages: [{ data: 1 }, { dato: 2 }] },
      "messages.1.dato is not known; did you mean data?",
    ],
    ["configureStream", { stream, discard: "oldest" }, 'discard must be "old" or "new", not "oldest"'],
    ["configureStream", { stream, maxAgeMs: true }, "maxAgeMs must be a number, not true"],
    ["pauseConsumer", { stream, consumer, paused: null }, "paused must be true or false, not null"],
    [
      "ackMessages",
      { stream, consumer, lease, sequences: [1], outcome: "done" },
      'outcome must be "ack", "nak" or "term", not "done"',
    ],
    [
      "issueToken",
      { rights: [{ actions: ["raed"] }] },
      'rights.0.actions.0 must be a group of methods or the name of one, not "raed"',
    ],
    ["authenticate", { token: ["secret"] }, "token must be a string, not an array"],
    ["putObject", { key: "k", data: 5 }, "data must be a string, not a number"],
    [
      "putObject",
      { key: "k", data: "", metadata: { "A.B": "x" } },
      "metadata.A.B must have a name of 1 to 64 of [a-z0-9_-]",
    ],
    [
      "putObject",
      { key: "k", data: "", metadata: { a: "\n" } },
      "metadata.a must have no control characters, not a string",
    ],
  ])("of %s %j: params.%s", async (method, params, message) => {
    const [path = ""] = message.split(" ");

    const error = await client.callError(method, params);

    expect(error).toMatchObject({
      code: ErrorCode.InvalidParams,
      message: `${method}: params.${message}`,
      data: { issues: expect.arrayContaining([{ path, reason: message.slice(path.length + 1) }]) },
    });
  });

  it("of a list are by name", async () => {
    expect(await client.callError("getState", ["s"])).toMatchObject({
      code: ErrorCode.InvalidParams,
      message: "getState: params must be an object: params are passed by name",
    });
  });

  it("are told over HTTP in the same words", async () => {
    expect(await postCall("publish", { stream: "s", dato: 1 })).toMatchObject({
      error: { message: "publish: params.dato is not known; did you mean data?" },
    });
  });

  it("are quoted in few characters that nothing acts on", async () => {
    const hostile = "\u001b[2J\u202e\ud800\u0000\u2028\r\n".repeat(40);

    const errors = [
      await client.callError("getMessages", { stream: "s", from: hostile }),
      await client.callError("getMessages", { stream: "s", [hostile]: 1 }),
      await client.callError(hostile, {}),
    ];

    for (const { message } of errors) {
      expect(message).toMatch(/^[\x20-\x7e…]{1,180}$/);
    }
  });

  it("are all answered, however much of them is wrong", async () => {
    const fields = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, index) => [`field-${index}`.padEnd(80, "x"), 1]),
    );
    const elements = Array.from({ length: 100_000 }, () => "x");

    const errors = [
      await client.callError("subscribe", { stream: "s", from: fields, ...fields }),
      await client.callError("ack", { subscription: 1, sequences: elements }),
      await client.callError("issueToken", {
        rights: [{ streams: ["s"], actions: ["read", ...elements.map(() => 1)] }],
      }),
    ];

    for (const { code, message, data } of errors) {
      expect(code).toBe(ErrorCode.InvalidParams);
      expect(message.length).toBeLessThan(300);
      expect(JSON.stringify(data).length).toBeLessThan(8_000);
    }
  });
});

describe("a method that there is not", () => {
  it.each([
    ["publsh", "publish"],
    ["getstate", "getState"],
    ["Publish", "publish"],
    ["publish ", "publish"],
    ["subscribeStream", "subscribe"],
    ["rpc.discovery", "rpc.discover"],
  ])("is named with the one that may be meant: %s", async (method, near) => {
    expect(await client.callError(method, {})).toMatchObject({
      code: ErrorCode.MethodNotFound,
      message: `there is no method "${method}"; did you mean ${near}?`,
    });
  });

  it.each(["foobar", "", "createStream"])("is named alone when none is near: %j", async (method) => {
    expect(await client.callError(method, {})).toMatchObject({ message: `there is no method "${method}"` });
  });

  it("is named in few characters", async () => {
    const { message } = await client.callError("m".repeat(100_000), {});

    expect(message).toBe(`there is no method "${"m".repeat(49)}…"`);
  });
});

describe("what there is not", () => {
  it.each<[MethodName, object, string]>([
    ["getStreamInfo", { stream: "no-orders" }, 'no such stream: "no-orders"'],
    ["getMessages", { stream: "no-orders" }, 'no such stream: "no-orders"'],
    ["listConsumers", { stream: "no-orders" }, 'no such stream: "no-orders"'],
    ["publish", { stream: "no-orders", data: 1, epoch: "e" }, 'the stream was deleted: "no-orders"'],
    ["getConsumer", { stream: "no-orders", consumer: "c" }, 'no such stream: "no-orders"'],
    ["headObject", { key: "no/object" }, 'no such object: "no/object"'],
  ])("is named: %s %j", async (method, params, message) => {
    expect(await client.callError(method, params)).toMatchObject({ code: ErrorCode.NotFound, message });
  });

  it("is named as its caller does, who has a prefix", async () => {
    const rights = [
      { streams: [">"], objects: [""], actions: ["manage", "read", "publish", "consume", "objects.read"] as const },
    ];
    const token = await tokenFor({
      rights: rights.map((right) => ({ ...right, actions: [...right.actions] })),
      prefix: "acme.",
    });
    const tenant = await connect("/rpc", { Authorization: `Bearer ${token}` });
    await tenant.call("configureStream", { stream: "orders" });

    expect(await tenant.callError("getStreamInfo", { stream: "none" })).toMatchObject({
      message: 'no such stream: "none"',
    });
    expect(await tenant.callError("getConsumer", { stream: "orders", consumer: "c" })).toMatchObject({
      message: 'no such consumer: "c" of the stream "orders"',
    });
    expect(await tenant.callError("publish", { stream: "none", data: 1, epoch: "e" })).toMatchObject({
      message: 'the stream was deleted: "none"',
    });
    expect(await tenant.callError("headObject", { key: "none" })).toMatchObject({ message: 'no such object: "none"' });
  });

  it("is told apart by nobody who may not ask for it", async () => {
    await client.call("configureStream", { stream: "secret-orders" });
    const token = await tokenFor({ rights: [{ streams: ["room.*"], actions: ["read"] }] });
    const stranger = await connect("/rpc", { Authorization: `Bearer ${token}` });

    const [there, missing] = [
      await stranger.callError("getStreamInfo", { stream: "secret-orders" }),
      await stranger.callError("getStreamInfo", { stream: "secret-others" }),
    ];

    expect(there.code).toBe(ErrorCode.Forbidden);
    expect(missing.message).toBe(there.message.replace("orders", "others"));
  });
});
