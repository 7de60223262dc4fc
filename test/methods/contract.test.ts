import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { describe, expect, it } from "vitest";

import {
  COMMON_ERRORS,
  ErrorCode,
  errorNameOf,
  ERRORS,
  isMethodName,
  LIMIT_MEANINGS,
  LIMITS,
  METHODS,
  NOTIFICATIONS,
  openRpcDocument,
  STREAM_DEFAULTS,
  StreamConfig,
} from "../../rpc/index.ts";
import type { MethodName, MethodParams, MethodSpec } from "../../rpc/index.ts";
import { HANDLERS } from "../../src/methods/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { tokenFor } from "../harness/tokens.ts";

const SPECS: [MethodName, MethodSpec][] = Object.entries(METHODS)
  .map(([name, spec]): [string, MethodSpec] => [name, spec])
  .filter((entry): entry is [MethodName, MethodSpec] => isMethodName(entry[0]));

/** One call of each method, in an order in which all succeed on one socket; a method without one does not compile. */
const stream = "tour";
/** The SHA-256 of "hello". */
const HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
/** Stands for the upload that is open. */
const ANY_UPLOAD = "00000000-0000-4000-8000-000000000000";
const CALLS: { [M in MethodName]: MethodParams<M> } = {
  getServerInfo: {},
  "rpc.discover": {},
  configureStream: { stream, maxMessages: 100, maxAgeMs: 60_000 },
  publish: { stream, data: { a: 1 }, subject: "a.b", headers: { h: "1" }, id: "x", expect: { lastSequence: 0 } },
  publishBatch: { stream, messages: [{ data: 1 }, { data: 2, subject: "a.c" }], id: "y" },
  getMessages: { stream, from: { sequence: 1 }, filter: "a.>", limit: 10 },
  putState: { stream, state: { rows: 1 }, expectedRevision: 0 },
  getState: { stream },
  checkpoint: { stream, state: { rows: 2 }, through: 1, expectedRevision: 1 },
  subscribe: { stream, from: { sequence: 1 }, maxInFlight: 10, ackWaitMs: 1_000, maxDeliver: 2 },
  deleteMessages: { stream, sequences: [2] },
  getProducer: { stream, producer: "p" },
  listProducers: { stream, after: "a", limit: 10 },
  listStreams: { prefix: "to", after: "aa", limit: 10 },
  getStreamInfo: { stream },
  ack: { subscription: 1, through: 2 },
  unsubscribe: { subscription: 1 },
  createConsumer: {
    stream,
    consumer: "c",
    from: { sequence: 1 },
    filter: "a.>",
    ackWaitMs: 1_000,
    maxDeliver: 3,
    maxInFlight: 10,
    backoffMs: [100, 200],
  },
  updateConsumer: {
    stream,
    consumer: "c",
    filter: null,
    ackWaitMs: 2_000,
    maxDeliver: 4,
    maxInFlight: 20,
    backoffMs: [100],
  },
  getConsumer: { stream, consumer: "c" },
  fetchMessages: { stream, consumer: "c", limit: 10 },
  ackMessages: { stream, consumer: "c", lease: "of the fetch", sequences: [3], outcome: "nak", delayMs: 0 },
  seekConsumer: { stream, consumer: "c", from: "first" },
  working: { subscription: 2, sequences: [3] },
  nak: { subscription: 2, sequences: [3], delayMs: 0 },
  term: { subscription: 2, sequences: [3], reason: "poison" },
  pauseConsumer: { stream, consumer: "c", paused: true },
  getDeadLetters: { stream, consumer: "c", from: 1, limit: 10 },
  retryDeadLetters: { stream, consumer: "c", sequences: [3] },
  deleteDeadLetters: { stream, consumer: "c" },
  listConsumers: { stream },
  deleteConsumer: { stream, consumer: "c" },
  deleteStream: { stream },
  putObject: { key: "tour/1", data: "hello", contentType: "text/plain", metadata: { a: "1" }, sha256: HELLO },
  headObject: { key: "tour/1" },
  getObject: { key: "tour/1", range: { offset: 1, length: 2 }, encoding: "base64" },
  listObjects: { prefix: "tour/", delimiter: "/", limit: 1 },
  createObjectUrl: { key: "tour/1", expiresInMs: 1_000 },
  deleteObject: { keys: ["tour/1", "tour/2"] },
  createUpload: { key: "tour/2", contentType: "text/plain", metadata: {} },
  uploadPart: { key: "tour/2", uploadId: ANY_UPLOAD, partNumber: 1, data: "hello", sha256: HELLO },
  completeUpload: {
    key: "tour/2",
    uploadId: ANY_UPLOAD,
    parts: [{ partNumber: 1, etag: HELLO }],
    sha256: HELLO,
    ifNoneMatch: "*",
  },
  abortUpload: { key: "tour/2", uploadId: ANY_UPLOAD },
  authenticate: { token: "that of its socket" },
  issueToken: { rights: [{ streams: ["tour"], actions: ["read"] }], subject: "s", prefix: "p.", expiresInMs: 60_000 },
};

/** A socket that was opened by a token, and that token. */
async function openedByToken(): Promise<[TestClient, { token: string }]> {
  const token = await tokenFor({ rights: [], subject: "s" });
  return [await connect("/rpc", { Authorization: `Bearer ${token}` }), { token }];
}

it("answers every method with a result of the contract", async () => {
  const client = await connect();

  let lease = "";
  let uploadId = "";
  for (const method of Object.keys(CALLS).filter(isMethodName)) {
    if (method === "ack") {
      await client.untilMessages(1);
    }
    if (method === "working") {
      await client.call("subscribe", { stream, consumer: "c" });
      await client.untilMessages(2);
    }
    if (method === "uploadPart" || method === "abortUpload") {
      ({ uploadId } = await client.call("createUpload", CALLS.createUpload));
    }
    const params = CALLS[method];
    // What the server gave before.
    const given = { ...("uploadId" in params ? { uploadId } : {}), ...("lease" in params ? { lease } : {}) };
    const [caller, own] = method === "authenticate" ? await openedByToken() : [client, {}];
    const result = await caller.call(method, { ...params, ...given, ...own });
    if ("lease" in result && typeof result.lease === "string") {
      ({ lease } = result);
    }
    const parsed = v.safeParse(METHODS[method].result, result);
    expect({ method, issues: parsed.issues, result: parsed.output }).toEqual({ method, issues: undefined, result });
  }
});

it("sends notifications of the contract", async () => {
  const client = await connect();
  const followed = "notifications";
  const messages = Array.from({ length: 3 }, (_, index) => ({ data: index, subject: "a", headers: { h: "1" } }));
  await client.call("publishBatch", { stream: followed, messages });
  const { subscription } = await client.call("subscribe", { stream: followed, maxInFlight: 1 });
  await client.untilMessages(1);
  await client.call("deleteMessages", { stream: followed, through: 2 });
  await client.call("ack", { subscription, through: 1 });
  await client.untilMessages(2);
  await client.call("deleteStream", { stream: followed });
  await client.until(() => client.of("subscriptionClosed")[0], "the subscription to be closed");

  const short = await tokenFor({ rights: [], expiresAt: Date.now() + 500 });
  const ending = await connect("/rpc", { Authorization: `Bearer ${short}` });
  await ending.until(() => ending.of("tokenExpiring")[0], "the notice of the token's end");

  const notifications = [...client.notifications, ...ending.notifications];
  expect(new Set(notifications.map(({ method }) => method))).toEqual(new Set(Object.keys(NOTIFICATIONS)));
  for (const { method, params } of notifications) {
    const { issues } = v.safeParse(NOTIFICATIONS[method].params, params);
    expect({ method, issues }).toEqual({ method, issues: undefined });
  }
});

/** Reads that belong to who uses or manages a consumer, not to whoever may read its stream; and those of the server. */
const OF_CONSUMERS = ["getConsumer", "listConsumers", "getDeadLetters", "getServerInfo", "rpc.discover", "issueToken"];

/** What params of these names are of. */
function actsOn(names: string[]): MethodSpec["on"] {
  if (names.includes("stream")) {
    return "stream";
  }
  if (names.includes("subscription")) {
    return "subscription";
  }
  if (names.includes("after")) {
    return "streams";
  }
  const ofObjects = names.includes("rights") ? [] : ["key", "keys", "prefix"];
  return names.some((each) => ofObjects.includes(each)) ? "object" : "server";
}

describe.each(SPECS)("%s", (name, spec) => {
  it("has a handler", () => {
    expect(HANDLERS[name]).toBeTypeOf("function");
  });

  it("is described", () => {
    expect(spec.description).toMatch(/^[A-Z].*\.$/);
  });

  it("says which errors it may answer beside the common ones, and none twice", () => {
    const all = [...spec.errors, ...COMMON_ERRORS];

    expect(new Set(all).size).toBe(all.length);
    expect(spec.errors.includes("NeedsSocket")).toBe(spec.needsSocket === true);
    // What a socket has, its subscriptions and its token, ends here, and asks no stream.
    const isChange = spec.reads !== true && name !== "unsubscribe" && name !== "authenticate";
    expect(spec.errors.includes("OutcomeUnknown")).toBe(isChange);
  });

  it("acts on what all of its params name", () => {
    const { anyOf, ...whole } = toJsonSchema(spec.params, { errorMode: "ignore" });
    const named = (anyOf ?? [whole]).map((each) => actsOn(Object.keys(Object(each).properties)));

    expect(new Set(named)).toEqual(new Set([spec.on]));
  });

  it("needs a right that goes with what it acts on and whether it only reads", () => {
    const { stream: right, consumer } =
      typeof spec.right === "object" ? spec.right : { stream: spec.right, consumer: spec.right };

    expect(right === undefined || right === "itself").toBe(spec.on === "server");
    expect(right?.startsWith("objects.") === true).toBe(spec.on === "object");
    expect(right !== consumer).toBe(["subscribe", "unsubscribe", "ack"].includes(name));
    if (spec.needsSocket !== true) {
      expect(["read", "objects.read"].includes(right ?? "")).toBe(
        spec.reads === true && ![...OF_CONSUMERS, "getProducer"].includes(name),
      );
    }
  });
});

describe("errors", () => {
  it("has a code of its own and a meaning for each", () => {
    expect(Object.keys(ERRORS)).toEqual(Object.keys(ErrorCode));
    expect(new Set(Object.values(ErrorCode)).size).toBe(Object.keys(ErrorCode).length);
    for (const { meaning } of Object.values(ERRORS)) {
      expect(meaning).not.toBe("");
    }
  });

  it("are found by their codes", () => {
    expect(Object.values(ErrorCode).map((code) => errorNameOf(code))).toEqual(Object.keys(ErrorCode));
    expect(errorNameOf(-1)).toBeUndefined();
  });
});

it("says of every limit what it bounds", () => {
  expect(Object.keys(LIMIT_MEANINGS).toSorted()).toEqual(Object.keys(LIMITS).toSorted());
});

it("says in words the default that it says as a value", () => {
  const schemas = openRpcDocument("0.0.0").methods.flatMap(({ name, params }) =>
    params.map((param) => ({ param: `${name}.${param.name}`, ...Object(param.schema) })),
  );
  const said = schemas.flatMap(({ param, description = "", default: value }) => {
    const words = /([\d,]+|`\w+`) unless given/.exec(description)?.[1]?.replaceAll(/[,`]/g, "");
    return words === undefined ? [] : [{ param, words, value: String(value) }];
  });

  expect(said.length).toBeGreaterThan(9);
  expect(said.filter(({ words, value }) => words !== value)).toEqual([]);
  expect(StreamConfig.entries.duplicateWindowMs.pipe.at(-1)).toMatchObject({
    description: expect.stringContaining(`${STREAM_DEFAULTS.duplicateWindowMs.toLocaleString("en-US")} unless`),
  });
});

it("describes every notification", () => {
  for (const { description } of Object.values(NOTIFICATIONS)) {
    expect(description).toMatch(/^[A-Z].*\.$/);
  }
});

it.each(openRpcDocument("0.0.0").methods)(
  "puts the params of $name that every call needs first in its OpenRPC document, and names each once",
  ({ params }) => {
    const names = params.map((param) => param.name);
    const required = params.map((param) => param.required);

    expect(new Set(names).size).toBe(names.length);
    expect(required).toEqual(required.toSorted((a, b) => Number(b) - Number(a)));
  },
);
