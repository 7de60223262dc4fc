/** Where a subscription goes on, and what it tells of what is missing. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { pass } from "../scripted-server.ts";
import type { ScriptedServer } from "../scripted-server.ts";
import { acks, begun, followedServer, range, send, short, stepwise, STREAM, liveAs } from "./followed-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  server = followedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("after a lost connection", () => {
  it("goes on behind the last message whose handler is done, and hands nothing on twice", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe(STREAM, handler);
    await pass();
    send(server.socket, 0, range(1, 5));
    await pass();
    await finish(2);
    // 1 and 2 are done, 3 is being handled, 4 and 5 wait.
    server.socket.end();
    await pass(1);
    const [resubscribe] = server.socket.calls("subscribe");
    send(server.socket, 0, range(3, 7));
    await finish(5);

    expect(resubscribe?.params).toEqual({
      stream: "s",
      epoch: "e1",
      from: { sequence: 3, previousPublishedAt: 1_002 },
    });
    expect(seen).toEqual(range(1, 7));
  });

  it("asks again as it was asked when it never got an answer", async () => {
    const client = server.client();
    const socketOf = server.onConnect;
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    const params = { stream: "s", from: { last: 3 }, filter: "a.>", maxInFlight: 7 };
    client.subscribe(params, () => undefined);
    await pass();
    server.onConnect = socketOf;
    server.socket.end();
    await pass(1);

    expect(server.sockets.map((socket) => socket.calls("subscribe")[0]?.params)).toEqual([params, params]);
  });

  it("goes on where `new` was when it was first answered", async () => {
    const client = server.client();
    server.onConnect = (socket) => {
      socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, result: begun(1, { nextSequence: 41 }) }));
      queueMicrotask(() => socket.open());
    };
    client.subscribe({ stream: "s", from: "new" }, () => undefined);
    await pass();
    server.socket.end();
    await pass(1);

    expect(server.socket.calls("subscribe")[0]?.params).toMatchObject({ from: { sequence: 41 } });
  });

  it("tells when the message before was published, by which the server knows its log: as it came, or was answered", async () => {
    const client = server.client();
    server.onConnect = (socket) => {
      const result = begun(1, { nextSequence: 41, previousPublishedAt: 1_040 });
      socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, result }));
      queueMicrotask(() => socket.open());
    };
    client.subscribe({ stream: "s", from: "new" }, () => undefined);
    await pass();
    server.socket.end();
    await pass(1);
    send(server.socket, 40, [41, 42]);
    await pass();
    server.socket.end();
    await pass(1);
    server.socket.notify("gap", { subscription: 1, from: 43, to: 50, reason: "trimmed" });
    await pass();
    server.socket.end();
    await pass(1);

    expect(server.sockets.map((socket) => socket.calls("subscribe")[0]?.params["from"])).toEqual([
      "new",
      { sequence: 41, previousPublishedAt: 1_040 },
      { sequence: 43, previousPublishedAt: 1_042 },
      // Of what is deleted nobody knows.
      { sequence: 51 },
    ]);
  });

  it("asks for nothing before the time that it was to start at, wherever it goes on", async () => {
    const client = server.client();
    const time = Date.now() + 3_600_000;
    client.subscribe({ stream: "s", from: { time } }, () => undefined);
    await pass();
    server.socket.end();
    await pass(1);
    send(server.socket, 0, [1]);
    await pass();
    server.socket.end();
    await pass(1);
    liveAs("e2")(server.socket);
    server.socket.notify("subscriptionClosed", { subscription: 1, reason: "streamDeleted" });
    await pass();

    const asked = server.sockets.flatMap((socket) => socket.calls("subscribe").map(({ params }) => params["from"]));
    expect(asked).toMatchObject([
      { time },
      { sequence: 1, time },
      { sequence: 2, time },
      { sequence: 2, time },
      { sequence: 1, time },
    ]);
  });

  it("acks on the new socket what was done meanwhile, once it came there", async () => {
    const client = server.client();
    const { handler, finish } = stepwise();
    client.subscribe(STREAM, handler);
    await pass();
    send(server.socket, 0, [1, 2]);
    await pass();
    server.socket.end();
    await pass(1);
    await finish(2);
    await pass(1_000);
    expect(acks(server.socket)).toEqual([]);
    send(server.socket, 0, [1, 2]);
    await pass(1_000);

    expect(acks(server.socket)).toEqual([2]);
  });
});

describe("what is missing", () => {
  it("is found by a `previous` that was never got: it subscribes again after the last good message", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe(STREAM, handler);
    await pass();
    const { socket } = server;
    send(socket, 0, [1, 2]);
    await finish(2);
    send(socket, 5, [6]);
    await pass();
    // What still comes on the old one is not listened to.
    send(socket, 6, [7]);
    send(socket, 0, range(3, 6), 2);
    await finish(4);

    expect(socket.calls("subscribe").map(({ params }) => params["from"])).toEqual([
      undefined,
      { sequence: 3, previousPublishedAt: 1_002 },
    ]);
    expect(socket.calls("unsubscribe").map(({ params }) => params)).toEqual([{ subscription: 1 }]);
    expect(seen).toEqual(range(1, 6));
  });

  it.each([
    ["out of order", [2, 1]],
    ["twice in a frame", [1, 1]],
  ])("is not hidden by messages %s", async (_what, sequences) => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(short(event)));
    await pass();
    send(server.socket, 0, sequences);
    await pass();

    expect(server.socket.calls("subscribe")).toHaveLength(2);
    expect(seen).toEqual([]);
  });

  it("is not suspected where the server goes back, or a filter passes messages over", async () => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe({ ...STREAM, filter: "a" }, (event) => void seen.push(short(event)));
    await pass();
    send(server.socket, 0, [2, 5]);
    send(server.socket, 5, [9]);
    send(server.socket, 2, [5, 9]);
    send(server.socket, 9, [20]);
    await pass();

    expect(server.socket.calls("subscribe")).toHaveLength(1);
    expect(seen).toEqual([2, 5, 9, 20]);
  });

  it("is told where the server says so, in its place, and once", async () => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(short(event)));
    await pass();
    const { socket } = server;
    send(socket, 0, [1]);
    socket.notify("gap", { subscription: 1, from: 2, to: 4, reason: "trimmed" });
    send(socket, 1, [5]);
    socket.notify("gap", { subscription: 1, from: 2, to: 4, reason: "trimmed" });
    socket.notify("gap", { subscription: 1, from: 4, to: 6, reason: "deleted" });
    await pass();

    expect(seen).toEqual([1, "trimmed 2-4", 5, "deleted 6-6"]);
  });

  it("is told where it was gone before it was asked for, but not what had been handed on", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe(STREAM, handler);
    await pass();
    send(server.socket, 0, [1, 2, 3]);
    await pass();
    server.onConnect = (socket) => {
      const skipped = { from: 1, to: 9 };
      socket.onCall = ({ id }) =>
        queueMicrotask(() => socket.answer({ id, result: begun(1, { nextSequence: 10, skipped }) }));
      queueMicrotask(() => socket.open());
    };
    server.socket.end();
    await pass(1);
    send(server.socket, 0, [10]);
    await finish(5);

    expect(seen).toEqual([1, 2, 3, "skipped 4-9", 10]);
  });
});
