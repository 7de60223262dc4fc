import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";

import { CALLABLE_METHODS, ErrorCode, LIMITS, METHODS } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { crash, faultUpload } from "../harness/faults.ts";
import { binding, failure } from "../harness/service.ts";

const SOCKET_METHODS = Object.entries(METHODS)
  .filter(([, spec]) => "needsSocket" in spec)
  .map(([name]) => name as MethodName);

it("has every method of the contract that needs no socket, and no other", async () => {
  const streams = binding() as unknown as Record<string, (params: unknown) => Promise<unknown>>;

  expect([...CALLABLE_METHODS, ...SOCKET_METHODS].toSorted()).toEqual(Object.keys(METHODS).toSorted());
  for (const method of CALLABLE_METHODS) {
    // Whatever the method makes of it, it is there: one that is not has no code to answer with.
    const answer = await failure(Promise.resolve(streams[method]?.({ misspelt: 1 })));
    expect([method, answer]).toMatchObject([method, { code: ErrorCode.InvalidParams }]);
  }
  for (const method of SOCKET_METHODS.filter((name) => name !== "subscribe")) {
    await expect(Promise.resolve(streams[method]?.({}))).rejects.toThrow(/does not implement/);
  }
});

describe("the same as a socket's", () => {
  it("results, as objects", async () => {
    const client = await connect();
    const streams = binding();
    const stream = "service-same";

    const published = await streams.publish({ stream, data: { text: "é" }, subject: "a.b", headers: { h: "1" } });
    const batch = await streams.publishBatch({ stream, messages: [{ data: 1 }, { data: null }], id: "once" });
    const again = await streams.publishBatch({ stream, messages: [{ data: 1 }, { data: null }], id: "once" });
    const put = await streams.putState({ stream, state: { at: [1] } });

    expect(published).toMatchObject({ stream, sequence: 1, duplicate: false });
    expect(batch).toMatchObject({ firstSequence: 2, lastSequence: 3, duplicate: false });
    expect(again).toEqual({ ...batch, duplicate: true });
    expect(put).toEqual({ epoch: expect.any(String), revision: 1 });
    expect(await streams.getMessages({ stream })).toEqual(await client.call("getMessages", { stream }));
    expect(await streams.getState({ stream })).toEqual({ epoch: expect.any(String), state: { at: [1] }, revision: 1 });
    expect(await streams.getStreamInfo({ stream })).toEqual(await client.call("getStreamInfo", { stream }));
    expect(await streams["rpc.discover"]()).toEqual(await client.call("rpc.discover", {}));
    const { connection: _connection, time: _time, ...server } = await client.call("getServerInfo", {});
    expect(await streams.getServerInfo()).toMatchObject(server);
  });

  it("error codes and data, as own properties of the error", async () => {
    const streams = binding();
    const stream = "service-errors";
    await streams.publish({ stream, data: 1 });

    expect(await failure(streams.publish({ stream, data: 1, expect: { lastSequence: 7 } }))).toMatchObject({
      code: ErrorCode.Conflict,
      data: { lastSequence: 1 },
    });
    expect(await failure(streams.getStreamInfo({ stream: "service-none" }))).toMatchObject({
      code: ErrorCode.NotFound,
      data: { what: "stream" },
    });
    expect(await failure(streams.getMessages({ stream, limit: 0 }))).toMatchObject({
      code: ErrorCode.InvalidParams,
      data: { issues: [{ path: "limit" }] },
    });
    expect(await failure(streams.publish({ stream, data: "x".repeat(LIMITS.messageBytes) }))).toMatchObject({
      code: ErrorCode.TooLarge,
      data: { what: "messageBytes" },
    });
    expect(await failure(streams.getMessages({ stream, epoch: "another" }))).toMatchObject({
      code: ErrorCode.EpochChanged,
    });
  });
});

describe("objects", () => {
  it("are put and got as in the contract", async () => {
    const streams = binding();
    const key = "service/plain";

    const put = await streams.putObject({ key, data: "aGVsbG8=", encoding: "base64", metadata: { by: "a Worker" } });

    expect(put).toMatchObject({ key, size: 5, metadata: { by: "a Worker" } });
    expect(await streams.getObject({ key })).toEqual({ ...put, data: "hello", encoding: "utf8" });
    expect(await failure(streams.getObject({ key: "service/none" }))).toMatchObject({ code: ErrorCode.NotFound });
  });

  it("may have streams as bodies, larger than any call", async () => {
    const streams = binding();
    const key = "service/streamed";
    const size = 3 * LIMITS.frameBytes;
    const { readable, writable } = new FixedLengthStream(size);
    const written = fill(writable, size);

    const put = await streams.putObject({ key, data: readable, contentType: "text/plain", ifNoneMatch: "*" });
    await written;
    const got = await streams.getObject({ key, encoding: "stream" });
    const part = await streams.getObject({ key, encoding: "stream", range: { offset: size - 2, length: 10 } });

    expect(put).toMatchObject({ key, size, contentType: "text/plain" });
    expect(got).toMatchObject({ ...put });
    expect(new Set(await new Response(got.data).bytes())).toEqual(new Set([7]));
    expect(part.range).toEqual({ offset: size - 2, length: 2 });
    expect(await new Response(part.data).bytes()).toHaveLength(2);
    expect(await failure(streams.getObject({ key }))).toMatchObject({ code: ErrorCode.TooLarge });
  });

  it.each(["create", "putPart"] as const)(
    "are Unavailable when a stream's %s is lost: nothing is stored",
    async (method) => {
      onTestFinished(() => void vi.restoreAllMocks());
      const key = `service/lost-${method}`;
      await faultUpload(method, function () {
        return crash(this);
      });

      const error = await failure(binding().putObject({ key, data: unsized(2 * LIMITS.objectBodyBytes + 5) }));

      expect(error).toMatchObject({ code: ErrorCode.Unavailable });
      expect(await failure(binding().headObject({ key }))).toMatchObject({ code: ErrorCode.NotFound });
    },
  );

  it("refuse a stream as they refuse text", async () => {
    const streams = binding();
    await streams.putObject({ key: "service/there", data: "1" });

    for (const [refused, code] of [
      [() => streams.putObject({ key: "service/there", data: body(), ifNoneMatch: "*" }), ErrorCode.Conflict],
      [() => streams.putObject({ key: "", data: body() }), ErrorCode.InvalidParams],
      [() => binding({ streams: ["a"] }).putObject({ key: "service/there", data: body() }), ErrorCode.Forbidden],
      [
        () => binding({ actions: ["publish"] }).getObject({ key: "service/there", encoding: "stream" }),
        ErrorCode.Forbidden,
      ],
      [() => streams.getObject({ key: "service/none", encoding: "stream" }), ErrorCode.NotFound],
    ] as const) {
      expect(await failure(refused())).toMatchObject({ code });
    }
    expect(await streams.getObject({ key: "service/there" })).toMatchObject({ data: "1" });
  });
});

/** A stream that does not tell its length. */
function unsized(size: number): ReadableStream {
  const { readable, writable } = new IdentityTransformStream();
  void fill(writable, size).catch(() => {
    // Safe: nobody reads it to its end.
  });
  return readable;
}

function body(): ReadableStream {
  return new Response("x").body ?? new ReadableStream();
}

async function fill(writable: WritableStream, size: number): Promise<void> {
  const writer = writable.getWriter();
  const chunk = new Uint8Array(65_536).fill(7);
  for (let at = 0; at < size; at += chunk.length) {
    await writer.write(chunk);
  }
  await writer.close();
}

it("takes a consumer's messages without a socket, and sleeps in between", async () => {
  const streams = binding();
  const at = { stream: "service-fetch", consumer: "workers" };
  await streams.createConsumer(at);
  await streams.publishBatch({ stream: at.stream, messages: [{ data: 1 }, { data: 2 }] });

  const { lease, messages } = await streams.fetchMessages(at);
  await streams.ackMessages({ ...at, lease, sequences: messages.map(({ sequence }) => sequence) });

  expect(messages).toMatchObject([
    { sequence: 1, deliveryCount: 1 },
    { sequence: 2, deliveryCount: 1 },
  ]);
  expect(await streams.getConsumer(at)).toMatchObject({ ackFloor: 2, inFlight: 0, pending: 0 });
});

describe("what RPC can bring and JSON can not", () => {
  it("is stored as JSON has it, or refused", async () => {
    const streams = binding();
    const stream = "service-json";
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const nested = JSON.parse("[".repeat(LIMITS.nesting) + "]".repeat(LIMITS.nesting)) as unknown;

    await streams.publish({ stream, data: { at: new Date(0), left: undefined } });

    expect((await streams.getMessages({ stream })).messages).toMatchObject([
      { data: { at: "1970-01-01T00:00:00.000Z" } },
    ]);
    for (const [data, code] of [
      [1n, ErrorCode.InvalidParams],
      [cycle, ErrorCode.InvalidParams],
      [undefined, ErrorCode.InvalidParams],
      [[Number.NaN], ErrorCode.InvalidRequest],
      [nested, ErrorCode.TooLarge],
      ["é".repeat(LIMITS.frameBytes / 2), ErrorCode.TooLarge],
    ] as const) {
      expect(await failure(streams.publish({ stream, data }))).toMatchObject({ code });
    }
    expect(await streams.getStreamInfo({ stream })).toMatchObject({ lastSequence: 1 });
  });
});

describe("the data of a publish", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("becomes JSON text once", async () => {
    const stringify = vi.spyOn(JSON, "stringify");
    const streams = binding();
    const stream = "service-once";

    await streams.publish({ stream, data: { text: "marked" } });
    await streams.publishBatch({ stream, messages: [{ data: ["marked"] }, { data: 2, subject: "a" }] });

    const texts = stringify.mock.results.map(({ value }) => String(value));
    expect(texts.filter((text) => text.includes("marked"))).toEqual(['{"text":"marked"}', '["marked"]']);
    expect((await streams.getMessages({ stream })).messages).toMatchObject([
      { data: { text: "marked" } },
      { data: ["marked"] },
      { data: 2, subject: "a" },
    ]);
  });

  it("is refused where it is ill-formed, and kept where it only looks so", async () => {
    const streams = binding();
    const stream = "service-ill-formed";

    await streams.publish({ stream, data: String.raw`\ud800` });

    expect((await streams.getMessages({ stream })).messages).toMatchObject([{ data: String.raw`\ud800` }]);
    expect(await failure(streams.publish({ stream, data: { a: "\ud800" } }))).toMatchObject({
      code: ErrorCode.InvalidParams,
      data: { issues: [{ path: "data.a" }] },
    });
    expect(await failure(streams.publishBatch({ stream, messages: [{ data: 1 }, { data: "\udfff" }] }))).toMatchObject({
      code: ErrorCode.InvalidParams,
      data: { issues: [{ path: "messages.1.data" }] },
    });
  });

  it("counts as it would in a frame", async () => {
    const streams = binding();
    const stream = "service-size";
    const messages = Array.from({ length: 4 }, () => ({ data: "é".repeat(LIMITS.frameBytes / 8 - 20) }));
    const bytes = new TextEncoder().encode(JSON.stringify({ stream, messages })).length;
    const filler = (size: number) => ({ stream, messages: [...messages, { data: "x".repeat(size) }] });
    const room = LIMITS.frameBytes - bytes - ',{"data":""}'.length;

    await streams.publishBatch(filler(room));

    expect(await failure(streams.publishBatch(filler(room + 1)))).toMatchObject({
      code: ErrorCode.TooLarge,
      data: { what: "frameBytes" },
    });
  });
});

describe("authority", () => {
  it("is over everything without props", async () => {
    expect(await binding().publish({ stream: "service-all", data: 1 })).toMatchObject({ sequence: 1 });
    expect(await binding().deleteStream({ stream: "service-all" })).toEqual({ deleted: true });
  });

  it("ends at the streams that the props list", async () => {
    const streams = binding({ streams: ["service-mine"] });
    await binding().publish({ stream: "service-theirs", data: 1 });

    expect(await streams.publish({ stream: "service-mine", data: 1 })).toMatchObject({ sequence: 1 });
    expect(await streams.getServerInfo()).toMatchObject({ name: "durable-stream" });
    for (const forbidden of [
      () => streams.publish({ stream: "service-theirs", data: 1 }),
      () => streams.getMessages({ stream: "service-theirs" }),
      () => streams.getStreamInfo({ stream: "service-never-used" }),
      () => streams.subscribe({ stream: "service-theirs" }, () => undefined),
    ]) {
      expect(await failure(forbidden())).toMatchObject({ code: ErrorCode.Forbidden });
    }
    expect(await binding().getStreamInfo({ stream: "service-theirs" })).toMatchObject({ lastSequence: 1, gateways: 0 });
  });

  it("ends at the actions that the props list", async () => {
    const reader = binding({ actions: ["getMessages"] });
    await binding().publish({ stream: "service-read", data: 1 });

    expect((await reader.getMessages({ stream: "service-read" })).messages).toHaveLength(1);
    for (const forbidden of [
      () => reader.publish({ stream: "service-read", data: 1 }),
      () => reader.deleteStream({ stream: "service-read" }),
      () => reader.getServerInfo(),
      () => reader.subscribe({ stream: "service-read" }, () => undefined),
    ]) {
      expect(await failure(forbidden())).toMatchObject({ code: ErrorCode.Forbidden });
    }
  });

  it.each<unknown>([
    { stream: ["a"] },
    { streams: "a" },
    { streams: ["*"] },
    { streams: ["a", 1] },
    { streams: null },
    { streams: undefined },
    { actions: ["misspelt"] },
    { actions: ["read"] },
    { actions: undefined },
    { streams: [], extra: 1 },
    { rights: "all" },
    { rights: undefined },
    { rights: [], streams: ["a"] },
    { rights: [{ streams: ["a"], actions: [] }] },
    { rights: [{ streams: ["a"], actions: ["publish"], subjects: undefined }] },
    { rights: [{ streams: ["a"], actions: ["publish"] }], prefix: undefined },
    { rights: [{ streams: ["a"], actions: ["publish"] }], prefix: "a" },
    { prefix: "a." },
    [],
    [{ streams: ["a"] }],
    new Map(),
    new Date(0),
  ])("is none when the props are not understood: %j", async (props) => {
    const streams = binding(props as Record<string, unknown>);

    expect(await failure(streams.publish({ stream: "a", data: 1, subject: "a" }))).toMatchObject({
      code: ErrorCode.Forbidden,
    });
    expect(await failure(streams.getServerInfo())).toMatchObject({ code: ErrorCode.Forbidden });
  });
});
