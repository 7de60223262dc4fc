import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import { ErrorCode, LIMITS, STREAM_NAME_CHARACTERS } from "../../rpc/index.ts";
import type { ListObjectsResult } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { binding, failure } from "../harness/service.ts";

import { socketOf, WAYS } from "./ways.ts";

const ALL: Access = {
  rights: [
    {
      streams: [">"],
      objects: [""],
      actions: ["read", "publish", "state", "consume", "manage", "objects.read", "objects.write"],
    },
  ],
};
const PREFIX = "acme.";

it.each([
  ["stream", STREAM_NAME_CHARACTERS, "publish", (stream: string) => ({ stream, data: 1 })],
  ["stream", STREAM_NAME_CHARACTERS, "getStreamInfo", (stream: string) => ({ stream })],
  ["key", LIMITS.objectKeyBytes, "putObject", (key: string) => ({ key, data: "1" })],
  ["key", LIMITS.objectKeyBytes, "deleteObject", (key: string) => ({ keys: ["a", key] })],
  ["prefix", LIMITS.objectKeyBytes, "listObjects", (prefix: string) => ({ prefix })],
] as const)("counts in a %s as long as a name may be: %i, of %s", async (path, most, method, params) => {
  const client = await socketOf({ ...ALL, prefix: PREFIX });
  const { error } = await client.request(method, params("x".repeat(most - PREFIX.length + 1)));
  const fits = await client.request(method, params("x".repeat(most - PREFIX.length)));

  expect(error).toMatchObject({ code: ErrorCode.InvalidParams, data: { issues: [{ path }] } });
  expect(error?.message).toMatch(new RegExp(`${most - PREFIX.length}`));
  expect(fits.error?.code ?? ErrorCode.NotFound).toBe(ErrorCode.NotFound);
  expect(client.frames.join()).not.toContain(PREFIX);
});

it.each(WAYS)(
  "goes through its objects by cursors that tell no prefix and are no other's, by %s",
  async (way, open) => {
    const folder = `pages-${WAYS.findIndex(([name]) => name === way)}/`;
    await Promise.all(["a", "b/1", "b/2", "c"].map((name) => env.BUCKET.put(PREFIX + folder + name, name)));
    const [caller, other] = [await open({ ...ALL, prefix: PREFIX }), await open({ ...ALL, prefix: "umbrella." })];
    const params = { prefix: folder, delimiter: "/", limit: 1 };
    const cursors: string[] = [];
    const names: string[] = [];

    for (let next: object | undefined = params; next !== undefined;) {
      const { result } = await caller.call("listObjects", next);
      const page = (typeof result === "string" ? JSON.parse(result) : result) as ListObjectsResult;
      names.push(...page.objects.map(({ key }) => key), ...page.prefixes);
      cursors.push(...(page.cursor === undefined ? [] : [page.cursor]));
      next = page.cursor === undefined ? undefined : { ...params, cursor: page.cursor };
    }

    expect(names).toEqual(["a", "b/", "c"].map((name) => folder + name));
    expect(cursors).toHaveLength(2);
    for (const cursor of cursors) {
      expect(atob(cursor.slice(8).replaceAll("-", "+").replaceAll("_", "/"))).not.toContain(PREFIX);
      const { error } = await other.call("listObjects", { ...params, cursor });
      expect(error?.code).toBe(way === "/r2" ? 400 : ErrorCode.InvalidParams);
    }
    caller.close();
    other.close();
  },
);

it("leaves rights to be of names as the caller says them", async () => {
  const props = {
    rights: [{ streams: ["room.*"], objects: ["pictures/"], actions: ["read", "publish", "objects.read"] }],
    prefix: PREFIX,
  };
  const streams = binding(props);

  expect(await streams.publish({ stream: "room.1", data: 1 })).toMatchObject({ stream: "room.1", sequence: 1 });
  expect(await failure(streams.publish({ stream: `${PREFIX}room.1`, data: 1 }))).toMatchObject({
    code: ErrorCode.Forbidden,
    data: { method: "publish", action: "publish", stream: `${PREFIX}room.1` },
  });
  expect(await failure(streams.getObject({ key: "other/1" }))).toMatchObject({
    code: ErrorCode.Forbidden,
    data: { method: "getObject", action: "objects.read", key: "other/1" },
  });
  expect(await failure(streams.getObject({ key: "pictures/1" }))).toMatchObject({ code: ErrorCode.NotFound });
  expect(await binding().getStreamInfo({ stream: `${PREFIX}room.1` })).toMatchObject({ stream: `${PREFIX}room.1` });
});

it("puts the prefix before the stream of the path, too", async () => {
  const client = await socketOf({ ...ALL, prefix: PREFIX }, "/stream/of-path");
  const published = await client.request("publish", { data: 1 });

  expect(published).toMatchObject({ result: { stream: "of-path", sequence: 1 } });
  expect(await binding().getStreamInfo({ stream: `${PREFIX}of-path` })).toMatchObject({ lastSequence: 1 });
  expect(await failure(binding().getStreamInfo({ stream: "of-path" }))).toMatchObject({ code: ErrorCode.NotFound });
});

it("lets a binding follow what has its prefix", async () => {
  const streams = binding({
    rights: [{ streams: ["followed"], actions: ["read"], subjects: ["a.>"] }],
    prefix: PREFIX,
  });
  const heard: unknown[] = [];
  await binding().publish({ stream: "followed", data: "another's", subject: "a.b" });
  await binding().publish({ stream: `${PREFIX}followed`, data: "its own", subject: "a.b" });
  const { subscription, stream } = await streams.subscribe({ stream: "followed", filter: "a.b" }, ({ messages }) => {
    heard.push(...messages.map(({ data }) => data));
  });
  await vi.waitUntil(() => heard.length > 0);

  expect([stream, heard]).toEqual(["followed", ["its own"]]);
  await subscription.unsubscribe();
  expect(await subscription.whenClosed()).toEqual({ reason: "unsubscribed" });
});

function bodyOf(text: string) {
  return { data: new Blob([text]).stream(), size: text.length };
}

it("holds a binding to its rights and its prefix where a body is a stream", async () => {
  const actions = ["objects.read" as const, "objects.write" as const];
  const streams = binding({ rights: [{ objects: ["mine/"], actions }], prefix: PREFIX });
  await binding().putObject({ key: "mine/1", data: "another's" });
  await binding().putObject({ key: `${PREFIX}theirs/1`, data: "beyond" });

  const put = await streams.putObject({ key: "mine/1", ...bodyOf("own") });
  const got = await streams.getObject({ key: "mine/1", encoding: "stream" });
  const body = await new Response(got.data).text();
  const refused = [
    await failure(streams.putObject({ key: "theirs/1", ...bodyOf("own") })),
    await failure(streams.getObject({ key: "theirs/1", encoding: "stream" })),
  ];

  expect([put.key, got.key, body]).toEqual(["mine/1", "mine/1", "own"]);
  expect(refused).toMatchObject(refused.map(() => ({ code: ErrorCode.Forbidden, data: { key: "theirs/1" } })));
  const kept = ["mine/1", `${PREFIX}mine/1`, `${PREFIX}theirs/1`].map((key) => binding().getObject({ key }));
  expect((await Promise.all(kept)).map(({ data }) => data)).toEqual(["another's", "own", "beyond"]);
});

it.each(WAYS)("says Forbidden by %s, whether or not there is what is named", async (way, open) => {
  const stream = `there-${WAYS.findIndex(([name]) => name === way)}`;
  await binding().putObject({ key: stream, data: "1" });
  await binding().publish({ stream, data: 1 });
  const caller = await open({ rights: [{ streams: ["mine"], objects: ["mine/"], actions: ["read", "objects.read"] }] });
  const forbidden = way === "/r2" ? 403 : ErrorCode.Forbidden;
  const calls = [
    ["getObject", (key: string) => ({ key })],
    ["putObject", (key: string) => ({ key, data: "2" })],
    ["deleteObject", (key: string) => ({ keys: [key] })],
    ["listObjects", (prefix: string) => ({ prefix })],
    ["getMessages", (name: string) => ({ stream: name })],
    ["publish", (name: string) => ({ stream: name, data: 1 })],
    ["deleteStream", (name: string) => ({ stream: name })],
    ["subscribe", (name: string) => ({ stream: name })],
    ["subscribe", (name: string) => ({ stream: name, consumer: "c" })],
  ] as const;

  for (const [method, params] of calls.filter(([name]) => caller.methods.includes(name))) {
    const told: string[] = [];
    for (const name of [stream, "nowhere"]) {
      const before = caller.heard().length;
      expect([method, (await caller.call(method, params(name))).error?.code]).toEqual([method, forbidden]);
      told.push(
        caller
          .heard()
          .slice(before)
          .trim()
          .replaceAll(name, "it")
          .replaceAll(/"id":\d+/g, ""),
      );
    }
    expect(told[0]).toBe(told[1]);
  }
  expect(await binding().getObject({ key: stream })).toMatchObject({ data: "1" });
  expect(await binding().getStreamInfo({ stream })).toMatchObject({ lastSequence: 1, gateways: 0 });
  caller.close();
});

it("bounds what is published and followed by the subjects of a right", async () => {
  const stream = "bounded";
  const subjects = ["chat.>", "news.*"];
  const client = await socketOf({ rights: [{ streams: [stream], actions: ["read", "publish"], subjects }] });
  const refused = async (method: string, params: object) =>
    (await client.callError(method, { stream, ...params })).code === ErrorCode.Forbidden;

  await client.call("publish", { stream, data: 1, subject: "chat.a.b" });
  await client.call("publishBatch", {
    stream,
    messages: [
      { data: 2, subject: "news.x" },
      { data: 3, subject: "chat.b" },
    ],
  });
  await binding().publish({ stream, data: 4, subject: "secret" });
  const { subscription } = await client.call("subscribe", { stream, filter: "chat.*" });
  const page = await client.call("getMessages", { stream, filter: "news.x" });
  await client.untilMessages(1, subscription);

  expect(client.sequences(subscription)).toEqual([3]);
  expect(page.messages.map(({ sequence }) => sequence)).toEqual([2]);
  expect(await refused("publish", { data: 1 })).toBe(true);
  expect(await refused("publish", { data: 1, subject: "chat" })).toBe(true);
  expect(await refused("publishBatch", { messages: [{ data: 1, subject: "chat.a" }, { data: 1 }] })).toBe(true);
  expect(await refused("getMessages", {})).toBe(true);
  expect(await refused("getMessages", { filter: "*.x" })).toBe(true);
  expect(await refused("subscribe", { filter: ">" })).toBe(true);
  expect(await refused("getState", {})).toBe(true);
  expect(await client.call("getStreamInfo", { stream })).toMatchObject({ lastSequence: 4 });
});
