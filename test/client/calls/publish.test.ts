import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ALTERNATIVES, LIMITS } from "../../../rpc/index.ts";

import { pass, published, ScriptedServer, standing, watch } from "../scripted-server.ts";
import type { ScriptedSocket, SentCall } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function dataOf(calls: readonly SentCall[]): unknown[] {
  return calls.map((call) => call.params["data"]);
}

/** Answers every publish as it comes. */
function storeAll(socket: ScriptedSocket): void {
  let sequence = 0;
  socket.onCall = ({ id }) => {
    sequence += 1;
    const result = published(sequence);
    queueMicrotask(() => socket.answer({ id, result }));
  };
}

describe("publishes of one tick", () => {
  it("go in one frame, in order, numbered by a producer of the client", async () => {
    const client = server.client();
    await pass();
    range(20).forEach((data) => watch(client.publish({ stream: "s", data })));
    await pass();

    expect(server.socket.frames).toHaveLength(1);
    expect(dataOf(server.socket.calls())).toEqual(range(20));
    const producers = server.socket.calls().map((call) => call.params["producer"]);
    const [first] = producers;
    expect(producers).toEqual(range(20).map((sequence) => ({ ...Object(first), epoch: 0, sequence })));
    expect(Object(first).id).toMatch(/^[0-9a-z]{10,21}$/);
  });

  it("go in one frame too where those of the frame before were waited for, also by a function of the caller", async () => {
    const client = server.client();
    const publish = async (data: number) => {
      await client.publish({ stream: "s", data });
    };
    const twice = async (data: number) => {
      await publish(data);
      await publish(-data);
    };
    range(20).forEach((data) => watch(twice(data)));
    await pass();
    server.socket.answer(...server.socket.calls().map(({ id }, index) => ({ id, result: published(index + 1) })));
    await pass();

    expect(server.socket.frames).toHaveLength(2);
    expect(dataOf(server.socket.calls()).slice(20)).toEqual(range(20).map((data) => -data));
  });

  it("wait for no answer to those before", async () => {
    const client = server.client();
    for (const data of range(10)) {
      watch(client.publish({ stream: "s", data }));
      await pass();
    }

    expect(server.socket.frames).toHaveLength(10);
  });

  it("fill no frame beyond 64 KiB, and a single larger one goes alone", async () => {
    const client = server.client();
    [30_000, 30_000, 30_000, 100_000, 10].forEach((size) =>
      watch(client.publish({ stream: "s", data: "x".repeat(size) })),
    );
    await pass();

    expect(server.socket.frames.map((frame) => Math.round(frame.length / 10_000))).toEqual([6, 3, 10, 0]);
  });

  it("keep the id that the caller gave", async () => {
    const client = server.client();
    watch(client.publish({ stream: "s", data: 1, id: "mine" }));
    watch(client.publishBatch({ stream: "s", messages: [{ data: 1 }], id: "ours" }));
    await pass();

    expect(server.socket.calls().map((call) => call.params["id"])).toEqual(["mine", "ours"]);
  });

  it("are what they were when they were made, whatever becomes of the object", async () => {
    const client = server.client();
    const data = { n: 1 };
    watch(client.publish({ stream: "s", data }));
    data.n = 2;
    await pass();

    expect(dataOf(server.socket.calls())).toEqual([{ n: 1 }]);
  });
});

it("never has more calls in flight than the server takes, and leaves some to others", async () => {
  const client = server.client();
  range(LIMITS.requestsInFlight + 100).forEach((data) => watch(client.publish({ stream: "s", data })));
  await pass();
  const sent = server.socket.calls();
  const read = watch(client.getState({ stream: "s" }));
  await pass();

  expect(sent.length).toBeLessThan(LIMITS.requestsInFlight);
  expect(server.socket.calls("getState")).toHaveLength(1);
  server.socket.answer({ id: server.socket.calls("getState")[0]?.id, result: { state: null, revision: 0 } });
  server.socket.answer(...sent.slice(0, 10).map(({ id }, index) => ({ id, result: published(index + 1) })));
  await pass();
  expect(dataOf(server.socket.calls("publish"))).toEqual(range(sent.length + 10));
  expect(await standing(read)).toEqual({ value: { state: null, revision: 0 } });
  const callsOfFrames = server.socket.frames.map((frame) => [JSON.parse(frame)].flat().length);
  expect(Math.max(...callsOfFrames)).toBeLessThanOrEqual(LIMITS.batchCalls);
});

it("lets every stream have its turn when one has a long queue", async () => {
  const client = server.client();
  range(2 * LIMITS.requestsInFlight).forEach((data) => watch(client.publish({ stream: "long", data })));
  watch(client.publish({ stream: "short", data: "hello" }));
  await pass();
  server.socket.answer(...server.socket.calls().map(({ id }, index) => ({ id, result: published(index + 1) })));
  await pass();

  expect(server.socket.calls().some((call) => call.params["stream"] === "short")).toBe(true);
});

describe("after a lost connection", () => {
  it("sends what was not answered again, with the same ids, in order and before anything newer", async () => {
    const client = server.client();
    const publishes = range(100).map((data) => watch(client.publish({ stream: "s", data })));
    await pass();
    const first = server.socket;
    const sent = first.calls();
    // Some in the middle were answered.
    first.answer(...sent.slice(10, 20).map(({ id }, index) => ({ id, result: published(index + 11) })));
    first.end();
    watch(client.publish({ stream: "s", data: "newer" }));
    await pass(1);
    storeAll(server.socket);
    const second = server.socket;
    second.answer(...second.calls().map(({ id }, index) => ({ id, result: published(index + 1) })));
    await pass();

    const answered = new Set(range(20).slice(10));
    expect(dataOf(second.calls())).toEqual([...range(100).filter((data) => !answered.has(data)), "newer"]);
    const idOf = new Map(sent.map((call) => [call.params["data"], call.params["id"]]));
    for (const { params } of second.calls()) {
      expect(idOf.get(params["data"]) ?? params["id"]).toBe(params["id"]);
    }
    expect(publishes.every(({ outcome }) => outcome !== "pending")).toBe(true);
  });

  it("tells unknown from not done when the time is over", async () => {
    const client = server.client({ publishTimeoutMs: 1_000, answerTimeoutMs: 60_000 });
    await pass();
    const sent = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.onConnect = () => undefined;
    server.socket.end();
    const never = watch(client.publish({ stream: "s", data: 2 }));
    await pass(999);
    expect([sent.outcome, never.outcome]).toEqual(["pending", "pending"]);
    await pass(1);

    expect(await standing(sent)).toMatchObject({ error: { name: "OutcomeUnknown", code: -32_008 } });
    expect(await standing(never)).toMatchObject({ error: { name: "Unavailable", code: -32_009 } });
  });
});

describe("a publish that the server can not store for now", () => {
  it.each([
    ["Unavailable", -32_009],
    ["Busy", -32_012],
    ["OutcomeUnknown", -32_008],
    ["RateLimited", -32_005],
  ])("is sent again with the same id, before what is newer: %s", async (_name, code) => {
    const client = server.client();
    const publishes = range(3).map((data) => watch(client.publish({ stream: "s", data })));
    await pass();
    const calls = server.socket.calls();
    server.socket.answer({ id: calls[0]?.id, error: { code, message: "not now", data: { retryAfterMs: 50 } } });
    const newer = watch(client.publish({ stream: "s", data: 4 }));
    const other = watch(client.publish({ stream: "other", data: 5 }));
    await pass(60);
    // Those behind it are on the way; what is newer waits for them and for it, but not on another stream.
    expect(dataOf(server.socket.calls())).toEqual([1, 2, 3, 5]);
    server.socket.answer({ id: calls[1]?.id, result: published(2) }, { id: calls[2]?.id, result: published(3) });
    await pass();
    storeAll(server.socket);
    const resent = server.socket.calls().slice(4);
    server.socket.answer(...resent.map(({ id }) => ({ id, result: published(9) })));
    await pass();

    expect(dataOf(resent)).toEqual([1, 4]);
    expect(resent[0]?.params).toEqual(calls[0]?.params);
    expect(await standing(newer)).toMatchObject({ value: { sequence: 9 } });
    expect(publishes.map(({ outcome }) => outcome)).toEqual(
      [9, 2, 3].map((sequence) => ({ value: published(sequence) })),
    );
    expect(other.outcome).toBe("pending");
  });

  it("is rejected in the end with what is known: not done, and why", async () => {
    const client = server.client({ publishTimeoutMs: 60_000 });
    server.onConnect = (socket) => {
      socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, error: { code: -32_009, message: "no" } }));
      queueMicrotask(() => socket.open());
    };
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass(60_000);

    expect(await standing(publish)).toMatchObject({ error: { name: "Unavailable", cause: { message: "no" } } });
    // It was tried, less and less often.
    const attempts = server.socket.calls().length;
    expect(attempts).toBeGreaterThan(8);
    expect(attempts).toBeLessThan(100);
  });

  it("is unknown in the end when one of its attempts was", async () => {
    const client = server.client({ publishTimeoutMs: 10_000 });
    const codes = [-32_008, -32_009];
    server.onConnect = (socket) => {
      socket.onCall = ({ id }) =>
        queueMicrotask(() => socket.answer({ id, error: { code: codes.shift() ?? -32_009, message: "no" } }));
      queueMicrotask(() => socket.open());
    };
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass(10_000);

    expect(await standing(publish)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });
});

describe("a publish that is refused when it is sent again", () => {
  it.each([
    ["TooLarge", -32_006],
    ["InvalidParams", -32_602],
    ["Conflict", -32_004],
    ["StorageFull", -32_007],
    ["InternalError", -32_603],
  ])("may have been stored before, and is unknown: %s", async (name, code) => {
    const client = server.client();
    const [lost, unknown] = ["a", "b"].map((stream) => watch(client.publish({ stream, data: 1 })));
    await pass();
    const [, second] = server.socket.calls();
    server.socket.answer({ id: second?.id, error: { code: -32_008, message: "who knows" } });
    server.socket.end();
    await pass(200);
    const refused = { code, message: "no", data: { limit: 1 } };
    server.socket.answer(...server.socket.calls().map(({ id }) => ({ id, error: refused })));
    await pass();

    expect(server.socket.calls()).toHaveLength(2);
    for (const publish of [lost, unknown]) {
      expect(publish?.outcome).toMatchObject({
        error: { name: "OutcomeUnknown", cause: { name, data: { limit: 1 } } },
      });
    }
  });

  it("was not stored where the attempt before was not done either", async () => {
    const client = server.client();
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    const [first] = server.socket.calls();
    server.socket.answer({ id: first?.id, error: { code: -32_012, message: "busy", data: { retryAfterMs: 5 } } });
    await pass(10);
    server.socket.answer({ id: server.socket.calls()[1]?.id, error: { code: -32_006, message: "no" } });

    expect(await standing(publish)).toMatchObject({ error: { name: "TooLarge" } });
  });

  it("is known again when the server says that it is stored already", async () => {
    const client = server.client();
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.socket.end();
    await pass(1);
    const stored = { ...published(1), duplicate: true };
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: stored });

    expect(await standing(publish)).toEqual({ value: stored });
  });
});

describe("a stream that the URL names", () => {
  it("has one order, whether a publish names it or not", async () => {
    const client = server.client({ url: "https://stream.test/some/where/stream/orders" });
    const toDefault = (data: number) => client.call("publish", { data } as { stream: string; data: number });
    watch(toDefault(1));
    watch(client.publish({ stream: "orders", data: 2 }));
    watch(toDefault(3));
    await pass();
    expect(dataOf(server.socket.calls())).toEqual([1, 2, 3]);
    const [first, second, third] = server.socket.calls();
    server.socket.answer(
      { id: first?.id, error: { code: -32_012, message: "busy", data: { retryAfterMs: 5 } } },
      { id: second?.id, result: published(1) },
      { id: third?.id, result: published(2) },
    );
    watch(client.publish({ stream: "orders", data: 4 }));
    await pass(10);

    expect(dataOf(server.socket.calls()).slice(3)).toEqual([1, 4]);
  });
});

it("sends again, in order, all that the server refused behind one that it had no room for", async () => {
  const client = server.client();
  range(4).forEach((data) => watch(client.publish({ stream: "s", data })));
  await pass();
  const [stored, ...refused] = server.socket.calls();
  const error = { code: -32_012, message: "busy", data: { retryAfterMs: 5 } };
  // In whatever order it says so.
  server.socket.answer(...refused.toReversed().map(({ id }) => ({ id, error })));
  watch(client.publish({ stream: "s", data: 5 }));
  await pass(100);
  expect(server.socket.calls()).toHaveLength(4);
  server.socket.answer({ id: stored?.id, result: published(1) });
  await pass(10);

  expect(dataOf(server.socket.calls()).slice(4)).toEqual([2, 3, 4, 5]);
});

it("rejects what the server refuses for good, and nothing else", async () => {
  const client = server.client();
  const [refused, stored] = range(2).map((data) => watch(client.publish({ stream: "s", data })));
  await pass();
  const [one, two] = server.socket.calls();
  server.socket.answer(
    { id: one?.id, error: { code: -32_004, message: "conflict", data: { lastSequence: 7 } } },
    { id: two?.id, result: published(8) },
  );
  await pass();

  expect(refused?.outcome).toMatchObject({ error: { name: "Conflict", code: -32_004, data: { lastSequence: 7 } } });
  expect(stored?.outcome).toEqual({ value: published(8) });
  expect(server.socket.calls()).toHaveLength(2);
});

describe("the queue of a client that is offline", () => {
  beforeEach(() => {
    server.onConnect = () => undefined;
  });

  it("holds so many publishes: one more is Busy at once, and the others are kept", async () => {
    const client = server.client({ queue: { publishes: 3 } });
    const kept = range(3).map((data) => watch(client.publish({ stream: "s", data })));
    const over = watch(client.publish({ stream: "s", data: 4 }));

    expect(await standing(over)).toMatchObject({ error: { name: "Busy", data: { what: "calls", limit: 3 } } });
    expect(kept.map(({ outcome }) => outcome)).toEqual(["pending", "pending", "pending"]);
    storeAll(server.socket);
    server.socket.open();
    await pass();
    expect(kept.map(({ outcome }) => outcome)).toEqual(range(3).map((sequence) => ({ value: published(sequence) })));
    const after = watch(client.publish({ stream: "s", data: 5 }));
    expect(await standing(after)).toEqual({ value: published(4) });
  });

  it("holds so many bytes, counted as UTF-8", async () => {
    const client = server.client({ queue: { bytes: 1_000 } });
    const kept = watch(client.publish({ stream: "s", data: "x".repeat(400) }));
    const over = watch(client.publish({ stream: "s", data: "ü".repeat(300) }));
    const fits = watch(client.publish({ stream: "s", data: "u".repeat(300) }));
    await pass();

    expect([kept.outcome, fits.outcome]).toEqual(["pending", "pending"]);
    expect(over.outcome).toMatchObject({ error: { name: "Busy", data: { what: "bytes", limit: 1_000 } } });
  });

  it("holds each for so long, and says that nothing was done", async () => {
    const client = server.client({ publishTimeoutMs: 5_000 });
    const first = watch(client.publish({ stream: "s", data: 1 }));
    await pass(2_000);
    const second = watch(client.publish({ stream: "s", data: 2 }));
    const impatient = watch(client.publish({ stream: "s", data: 3 }, { timeoutMs: 10 }));
    await pass(10);
    expect(impatient.outcome).toMatchObject({ error: { name: "Unavailable" } });
    await pass(2_990);

    expect(first.outcome).toMatchObject({ error: { name: "Unavailable" } });
    expect(second.outcome).toBe("pending");
    storeAll(server.socket);
    server.socket.open();
    await pass();
    // What was given up is not sent.
    expect(dataOf(server.socket.calls())).toEqual([2]);
  });

  it("forgets what is aborted, which is then never sent", async () => {
    const client = server.client();
    const aborter = new AbortController();
    const aborted = watch(client.publish({ stream: "s", data: 1 }, { signal: aborter.signal }));
    watch(client.publish({ stream: "s", data: 2 }));
    await pass();
    aborter.abort(new Error("changed my mind"));
    const before = watch(client.publish({ stream: "s", data: 3 }, { signal: aborter.signal }));
    server.socket.open();
    await pass();

    expect([aborted.outcome, before.outcome]).toMatchObject(
      [1, 2].map(() => ({ error: { message: "changed my mind" } })),
    );
    expect(dataOf(server.socket.calls())).toEqual([2]);
  });
});

describe("params that can not be sent", () => {
  it.each([
    ["a cycle", () => cycle(), { name: "InvalidParams" }],
    ["a bigint", () => 1n, { name: "InvalidParams" }],
    [
      "more than a frame holds",
      () => "x".repeat(LIMITS.frameBytes),
      { name: "TooLarge", data: { use: ALTERNATIVES.frame } },
    ],
  ])("are refused here, and cost no socket: %s", async (_what, make, error) => {
    const client = server.client();
    const publish = watch(client.publish({ stream: "s", data: make() }));

    expect(await standing(publish)).toMatchObject({ error });
    expect(server.sockets).toHaveLength(0);
  });
});

function cycle(): object {
  const one: { self?: object } = {};
  one.self = one;
  return one;
}

describe("close()", () => {
  it("waits until every publish is settled, takes nothing new, and closes the socket", async () => {
    const client = server.client();
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    const closing = watch(client.close());
    const late = watch(client.publish({ stream: "s", data: 2 }));
    const lateCall = watch(client.getState({ stream: "s" }));
    await pass(5_000);
    expect(closing.outcome).toBe("pending");
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: published(1) });
    await pass();

    expect(publish.outcome).toEqual({ value: published(1) });
    expect(closing.outcome).toEqual({ value: undefined });
    expect([late.outcome, lateCall.outcome]).toMatchObject([1, 2].map(() => ({ error: { name: "Unavailable" } })));
    expect(server.socket.isClosed).toBe(true);
    expect(client.state).toBe("closed");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no promise open when its time is over: each is told what is known of it", async () => {
    const client = server.client();
    const calls = [
      watch(client.publish({ stream: "s", data: 1 })),
      watch(client.putState({ stream: "s", state: 1 })),
      watch(client.getState({ stream: "s" })),
    ];
    await pass();
    const waiting = range(LIMITS.requestsInFlight).map((data) => watch(client.publish({ stream: "s", data })));
    const closing = watch(client.close({ timeoutMs: 100 }));
    await pass(100);

    expect(closing.outcome).toEqual({ value: undefined });
    expect(calls.map(({ outcome }) => outcome)).toMatchObject(
      ["OutcomeUnknown", "OutcomeUnknown", "Unavailable"].map((name) => ({ error: { name } })),
    );
    expect(waiting.filter(({ outcome }) => outcome === "pending")).toEqual([]);
    expect(waiting.at(-1)?.outcome).toMatchObject({ error: { name: "Unavailable" } });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is what `await using` does, and may be called again", async () => {
    const client = server.client();
    const again = watch(client.close());
    const disposed = watch(client[Symbol.asyncDispose]());

    expect(await standing(again)).toEqual({ value: undefined });
    expect(disposed.outcome).toEqual({ value: undefined });
    expect(server.sockets).toHaveLength(0);
  });
});
