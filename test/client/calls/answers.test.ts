import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";
import { pass, published, ScriptedServer, standing, watch } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

const READ = { stream: "s" };
const RESULT = { state: "found", revision: 1 };

describe("a server that answers late", () => {
  it("finds that the call has timed out, and gets the next one answered", async () => {
    const client = server.client();
    const late = watch(client.getState(READ, { timeoutMs: 100 }));
    await pass(100);
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: RESULT });
    const next = watch(client.getState(READ));
    await pass();
    server.socket.answer({ id: server.socket.calls()[1]?.id, result: RESULT });

    expect(await standing(late)).toMatchObject({ error: { name: "Unavailable" } });
    expect(await standing(next)).toEqual({ value: RESULT });
    expect(server.sockets).toHaveLength(1);
  });

  it("leaves the outcome of a change unknown when its time is over", async () => {
    const client = server.client();
    const late = watch(client.putState({ stream: "s", state: 1 }, { timeoutMs: 100 }));
    await pass(100);

    expect(await standing(late)).toMatchObject({ error: { name: "OutcomeUnknown", code: -32_008 } });
  });

  it("does not take an answer that comes on the socket before", async () => {
    const client = server.client();
    const read = watch(client.getState(READ));
    await pass();
    const first = server.socket;
    first.end();
    await pass(1);
    first.answer({ id: first.calls()[0]?.id, result: { state: "old", revision: 1 } });
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: RESULT });

    expect(await standing(read)).toEqual({ value: RESULT });
  });
});

describe("a server that never answers", () => {
  it("has its socket given up: reads and publishes go to the next one, of a change the outcome is unknown", async () => {
    const client = server.client({ answerTimeoutMs: 5_000 });
    const read = watch(client.getState(READ));
    const change = watch(client.putState({ stream: "s", state: 1 }));
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass(4_999);
    expect(server.sockets).toHaveLength(1);
    const silent = server.socket;
    await pass(2);

    expect(silent.isClosed).toBe(true);
    expect(await standing(change)).toMatchObject({ error: { name: "OutcomeUnknown" } });
    const [again] = server.socket.calls("publish");
    expect(again?.params).toEqual(silent.calls("publish")[0]?.params);
    expect(again?.params["producer"]).toMatchObject({ epoch: 0, sequence: 1 });
    server.socket.answer({ id: again?.id, result: published(1) });
    server.socket.answer({ id: server.socket.calls("getState")[0]?.id, result: RESULT });
    expect(await standing(publish)).toEqual({ value: published(1) });
    expect(await standing(read)).toEqual({ value: RESULT });
  });

  it("is found out by the call that waits longest, not by a new one", async () => {
    const client = server.client({ answerTimeoutMs: 5_000 });
    watch(client.getState(READ));
    await pass(3_000);
    const answered = watch(client.getState(READ));
    await pass();
    server.socket.answer({ id: server.socket.calls()[1]?.id, result: RESULT });
    await pass(1_999);
    expect(server.sockets).toHaveLength(1);
    await pass(2);

    expect(server.sockets).toHaveLength(2);
    expect(await standing(answered)).toEqual({ value: RESULT });
  });
});

describe("a server that stores a large object", () => {
  const COMPLETION = { key: "k", uploadId: "u", parts: [{ partNumber: 1, etag: "p" }] };

  it("keeps its socket, however long `completeUpload` takes", async () => {
    const client = server.client({ answerTimeoutMs: 5_000 });
    const completed = watch(client.completeUpload(COMPLETION, { timeoutMs: 60_000 }));
    await pass(40_000);
    server.socket.answer({ id: server.socket.calls("completeUpload")[0]?.id, result: RESULT });

    expect(await standing(completed)).toEqual({ value: RESULT });
    expect(server.sockets).toHaveLength(1);
  });

  it("is still given up for any other call that it does not answer meanwhile", async () => {
    const client = server.client({ answerTimeoutMs: 5_000 });
    watch(client.completeUpload(COMPLETION, { timeoutMs: 60_000 }));
    await pass(3_000);
    watch(client.getState(READ));
    await pass(4_999);
    expect(server.sockets).toHaveLength(1);
    await pass(2);

    expect(server.sockets).toHaveLength(2);
  });
});

describe("a server that answers what was not asked", () => {
  it("is heard once where it answers twice, and not where the id is unknown", async () => {
    const client = server.client();
    const first = watch(client.getState(READ));
    const second = watch(client.getState(READ));
    await pass();
    const [one, two] = server.socket.calls();
    server.socket.answer({ id: 999, result: { state: "nobody's", revision: 1 } });
    server.socket.answer({ id: "1", result: { state: "nobody's", revision: 1 } });
    server.socket.answer({ id: one?.id, result: RESULT });
    server.socket.answer({ id: one?.id, result: { state: "twice", revision: 1 } });
    server.socket.answer({ id: two?.id, error: { code: -32_004, message: "no", data: { revision: 2 } } });

    expect(await standing(first)).toEqual({ value: RESULT });
    expect(await standing(second)).toMatchObject({ error: { name: "Conflict", code: -32_004, data: { revision: 2 } } });
    expect(server.sockets).toHaveLength(1);
  });

  it("may notify what this client does not know", async () => {
    const client = server.client();
    const read = watch(client.getState(READ));
    await pass();
    server.socket.notify("news", { subscription: 1 });
    server.socket.notify("messages", {
      subscription: 7,
      stream: "s",
      previous: 0,
      messages: [{ sequence: 1, publishedAt: 1, data: 1 }],
    });
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: RESULT });

    expect(await standing(read)).toEqual({ value: RESULT });
    expect(server.sockets).toHaveLength(1);
  });
});

describe("a server that says garbage", () => {
  it.each([
    ["no JSON", "}{"],
    ["a number", "1"],
    ["an object of nothing", "{}"],
    ["null in a batch", "[null]"],
    ["a result that is none", '{"jsonrpc":"2.0","id":1,"result":5}'],
    ["an error that is none", '{"jsonrpc":"2.0","id":1,"error":"no"}'],
    ["an error without a code", '{"jsonrpc":"2.0","id":1,"error":{"message":"no"}}'],
    ["params that are none", '{"jsonrpc":"2.0","method":"messages","params":1}'],
    ["messages without a sequence", '{"method":"messages","params":{"subscription":1,"previous":0,"messages":[{}]}}'],
    ["no messages", '{"method":"messages","params":{"subscription":1,"previous":0,"messages":[]}}'],
    ["a gap without bounds", '{"method":"gap","params":{"subscription":1}}'],
    ["an end without a reason", '{"method":"subscriptionClosed","params":{"subscription":1}}'],
    ["that it did not understand", '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}'],
    ["bytes", new Uint8Array([1, 2, 3])],
  ])("has its socket given up, and the publish is stored over the next one: %s", async (_what, garbage) => {
    const client = server.client();
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    const [before] = server.socket.calls("publish");
    server.socket.say(garbage);
    await pass(1);

    expect(server.sockets).toHaveLength(2);
    expect(server.sockets[0]?.isClosed).toBe(true);
    const [again] = server.socket.calls("publish");
    expect(again?.params).toEqual(before?.params);
    server.socket.answer({ id: again?.id, result: published(1) });
    expect(await standing(publish)).toEqual({ value: published(1) });
  });

  it("has an error with a code that is in no table shown as it is", async () => {
    const client = server.client();
    const read = watch(client.getState(READ));
    await pass();
    server.socket.answer({ id: server.socket.calls()[0]?.id, error: { code: -1, message: "odd" } });

    expect(await standing(read)).toMatchObject({ error: { name: "InternalError", code: -1, message: "odd" } });
  });
});

describe("calls whose answer may be large", () => {
  it("are sent 64 at a time, and others do not wait behind them", async () => {
    const client = server.client();
    for (let count = 0; count < LIMITS.largeAnswersInFlight + 2; count += 1) {
      watch(client.getState({ stream: "s" }));
    }
    await pass();
    watch(client.getServerInfo());
    await pass();

    const open = server.socket.calls("getState");
    expect(open).toHaveLength(LIMITS.largeAnswersInFlight);
    expect(server.socket.calls("getServerInfo")).toHaveLength(1);

    server.socket.answer({ id: open[0]?.id, result: { state: null, revision: 0 } });
    await pass();

    expect(server.socket.calls("getState")).toHaveLength(LIMITS.largeAnswersInFlight + 1);
  });
});

it("sends no call beyond the text that the server takes, and goes on when there is room", async () => {
  const client = server.client();
  const state = "x".repeat(250_000);
  for (let count = 0; count < 40; count += 1) {
    watch(client.putState({ stream: "s", state }));
  }
  await pass();

  const open = server.socket.calls("putState");
  expect(open.length).toBeGreaterThan(1);
  expect(open.length * state.length).toBeLessThanOrEqual(LIMITS.requestBytesInFlight);

  server.socket.answer({ id: open[0]?.id, result: { revision: 1 } });
  await pass();

  expect(server.socket.calls("putState")).toHaveLength(open.length + 1);
});
