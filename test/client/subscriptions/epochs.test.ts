/** A stream that was deleted and made again, or put back, under a subscription. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { pass, watch } from "../scripted-server.ts";
import type { ScriptedServer } from "../scripted-server.ts";
import { begun, followedServer, send, short, stepwise, STREAM, liveAs } from "./followed-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  server = followedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("another epoch of the stream", () => {
  it("is told after what was read of the old one, and followed from its first message", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe({ stream: "s", from: { sequence: 1 }, filter: ">" }, handler);
    await pass();
    const { socket } = server;
    send(socket, 0, [1, 2]);
    await pass();
    liveAs("e2")(socket);
    socket.notify("subscriptionClosed", { subscription: 1, reason: "streamDeleted" });
    await pass();
    send(socket, 0, [1, 2], 12);
    await finish(5);

    expect(seen).toEqual([1, 2, "e2", 1, 2]);
    expect(socket.calls("subscribe").map(({ params }) => params)).toEqual(
      [
        { stream: "s", from: { sequence: 1 }, filter: ">" },
        { stream: "s", from: { sequence: 3 }, epoch: "e1", filter: ">" },
        // By number, so that the server tells what of the new epoch is gone already.
        { stream: "s", from: { sequence: 1 }, filter: ">" },
      ].map((params, index) => (index === 1 ? { ...params, from: { sequence: 1 } } : params)),
    );
  });

  it("is told to who brings a position of an earlier one", async () => {
    server.onConnect = (socket) => {
      liveAs("e2")(socket);
      queueMicrotask(() => socket.open());
    };
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe({ stream: "s", from: { sequence: 7 }, epoch: "e1" }, (event) => void seen.push(short(event)));
    await pass();
    send(server.socket, 0, [1], 12);
    await pass();

    expect(seen).toEqual(["e2", 1]);
  });

  it("is told where the stream is not made again yet, also when the socket is lost on the way", async () => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(short(event)));
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    const { socket } = server;
    socket.onCall = ({ id, method, params }) => {
      if (method === "subscribe" && params["epoch"] !== undefined) {
        const error = { code: -32_003, message: "the stream was deleted", data: { what: "stream" } };
        queueMicrotask(() => socket.answer({ id, error }));
      }
    };
    server.onConnect = (next) => {
      liveAs("e2")(next);
      queueMicrotask(() => next.open());
    };
    socket.notify("subscriptionClosed", { subscription: 1, reason: "streamDeleted" });
    await pass();
    // It has asked for the new epoch, and is not answered.
    expect(socket.calls("subscribe")).toHaveLength(3);
    socket.end();
    await pass(1);
    send(server.socket, 0, [1], 11);
    await pass();

    expect(seen).toEqual([1, "e2", 1]);
  });

  it("has lost messages already that are told as skipped", async () => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(short(event)));
    await pass();
    const { socket } = server;
    socket.onCall = ({ id, method, params }) => {
      if (method === "subscribe") {
        const result = begun(2, { epoch: "e2", nextSequence: 4, skipped: { from: 1, to: 3 } });
        const error = { code: -32_010, message: "changed", data: { epoch: "e2" } };
        queueMicrotask(() => socket.answer(params["epoch"] === undefined ? { id, result } : { id, error }));
      }
    };
    socket.notify("subscriptionClosed", { subscription: 1, reason: "streamDeleted" });
    await pass();
    send(socket, 3, [4], 2);
    await pass();

    expect(seen).toEqual(["e2", "skipped 1-3", 4]);
  });

  it.each([
    [
      "by the end of its log, which is before what came",
      { code: -32_004, data: { lastSequence: 2, epoch: "e1" } },
      "e1",
    ],
    ["by a message of its log that is another", { code: -32_004, data: { previousPublishedAt: 7, epoch: "e1" } }, "e1"],
    ["by another epoch", { code: -32_010, data: { epoch: "e2", reason: "restored" } }, "e2"],
  ])("is that of a stream put back to an earlier state: it is told %s", async (_how, refusal, epoch) => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(event.type === "epochChanged" ? event : short(event)));
    await pass();
    send(server.socket, 0, [1, 2, 3, 4]);
    await pass();
    server.onConnect = (socket) => {
      socket.onCall = ({ id, method, params }) => {
        if (method === "subscribe") {
          const isKnown = params["epoch"] !== undefined;
          const answer = isKnown ? { error: { message: "no", ...refusal } } : { result: begun(1, { epoch }) };
          queueMicrotask(() => socket.answer({ id, ...answer }));
        }
      };
      queueMicrotask(() => socket.open());
    };
    server.socket.end();
    await pass(1);
    send(server.socket, 0, [1, 2, 3]);
    await pass();

    expect(seen).toEqual([1, 2, 3, 4, { type: "epochChanged", epoch, reason: "restored" }, 1, 2, 3]);
    expect(server.socket.calls("subscribe").map(({ params }) => params)).toEqual([
      { stream: "s", epoch: "e1", from: { sequence: 5, previousPublishedAt: 1_004 } },
      { stream: "s", from: { sequence: 1 } },
    ]);
  });

  it("is that of a restored stream that a gateway tells of", async () => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(event.type === "epochChanged" ? event : short(event)));
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    const { socket } = server;
    socket.onCall = ({ id, method, params }) => {
      if (method === "subscribe") {
        const error = { code: -32_010, message: "restored", data: { epoch: "e2", reason: "restored" } };
        const answer = params["epoch"] === undefined ? { result: begun(2, { epoch: "e2" }) } : { error };
        queueMicrotask(() => socket.answer({ id, ...answer }));
      }
    };
    socket.notify("subscriptionClosed", { subscription: 1, reason: "streamRestored" });
    await pass();
    send(socket, 0, [1], 2);
    await pass();

    expect(seen).toEqual([1, { type: "epochChanged", epoch: "e2", reason: "restored" }, 1]);
  });

  it("is not supposed where a position was never reached: a Conflict of the first subscribe is handed on", async () => {
    server.onConnect = (socket) => {
      const error = { code: -32_004, message: "no", data: { lastSequence: 2 } };
      socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, error }));
      queueMicrotask(() => socket.open());
    };
    const client = server.client();
    const next = watch(client.subscribe({ ...STREAM, epoch: "e1", from: { sequence: 9 } }).next());
    await pass(1_000);

    expect(next.outcome).toMatchObject({ error: { name: "Conflict", data: { lastSequence: 2 } } });
    expect(server.socket.calls("subscribe")).toHaveLength(1);
  });

  it("is not looked for where none was known: a refusal of the first subscribe ends it", async () => {
    server.onConnect = (socket) => {
      socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, error: { code: -32_003, message: "no" } }));
      queueMicrotask(() => socket.open());
    };
    const client = server.client();
    const next = watch(client.subscribe(STREAM).next());
    await pass(1_000);

    expect(next.outcome).toMatchObject({ error: { name: "NotFound" } });
    expect(server.socket.calls("subscribe")).toHaveLength(1);
  });
});
