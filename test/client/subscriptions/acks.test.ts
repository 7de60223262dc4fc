/** What a subscription acks, and when. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { pass } from "../scripted-server.ts";
import type { ScriptedServer } from "../scripted-server.ts";
import { acks, followedServer, range, send, short, stepwise, STREAM } from "./followed-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  server = followedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("acks", () => {
  it("go at half the window, for all that is done", async () => {
    const client = server.client();
    client.subscribe({ ...STREAM, maxInFlight: 10 }, () => undefined);
    await pass();
    send(server.socket, 0, range(1, 10));
    await pass();

    expect(acks(server.socket)).toEqual([5, 10]);
  });

  it("go a moment after the last message, one for all of them", async () => {
    const client = server.client();
    client.subscribe(STREAM, () => undefined);
    await pass();
    send(server.socket, 0, [1]);
    send(server.socket, 1, [2, 3]);
    await pass(100);
    expect(acks(server.socket)).toEqual([]);
    await pass(100);

    expect(acks(server.socket)).toEqual([3]);
    expect(server.socket.calls("ack")[0]?.id).toBeUndefined();
  });

  it("go at once where the window is one message, and soon where the deadline is short", async () => {
    const client = server.client();
    client.subscribe({ ...STREAM, maxInFlight: 1 }, () => undefined);
    client.subscribe({ ...STREAM, ackWaitMs: 100 }, () => undefined);
    await pass();
    send(server.socket, 0, [1], 1);
    await pass();
    expect(server.socket.calls("ack").map(({ params }) => params)).toEqual([{ subscription: 1, through: 1 }]);
    send(server.socket, 0, [1], 2);
    await pass(25);

    expect(server.socket.calls("ack").map(({ params }) => params)).toContainEqual({ subscription: 2, through: 1 });
  });

  it("go before the server pauses by bytes", async () => {
    const client = server.client();
    client.subscribe({ ...STREAM, maxInFlight: 1_000 }, () => undefined);
    await pass();
    const messages = range(1, 4).map((sequence) => ({ sequence, publishedAt: 1, data: "x".repeat(270_000) }));
    server.socket.notify("messages", { subscription: 1, stream: "s", previous: 0, messages });
    await pass();

    expect(acks(server.socket)).toEqual([2, 4]);
  });

  it("wait for the handler, and in manual mode for ack()", async () => {
    const client = server.client();
    const { handler, finish } = stepwise();
    client.subscribe({ ...STREAM, maxInFlight: 1 }, handler);
    const manual = client.subscribe({ ...STREAM, maxInFlight: 2 }, { ack: "manual" });
    await pass();
    send(server.socket, 0, [1], 1);
    send(server.socket, 0, [1, 2], 2);
    const first = await manual.next();
    const second = await manual.next();
    await pass(1_000);
    expect(acks(server.socket)).toEqual([]);
    await finish();
    expect(server.socket.calls("ack").map(({ params }) => params)).toEqual([{ subscription: 1, through: 1 }]);
    if (first.value?.type === "message" && second.value?.type === "message") {
      second.value.ack();
      // Done already.
      first.value.ack();
    }
    await pass(1_000);
    server.socket.end();
    await pass(1);

    expect(server.sockets[0]?.calls("ack").map(({ params }) => params)).toEqual([
      { subscription: 1, through: 1 },
      { subscription: 2, through: 2 },
    ]);
    expect(server.socket.calls("subscribe").map(({ params }) => params["from"])).toEqual([
      { sequence: 2, previousPublishedAt: 1_001 },
      { sequence: 3, previousPublishedAt: 1_002 },
    ]);
  });

  it("by hand count all that they cover", async () => {
    const client = server.client();
    const manual = client.subscribe({ ...STREAM, maxInFlight: 10 }, { ack: "manual" });
    await pass();
    send(server.socket, 0, range(1, 10));
    for (const sequence of range(1, 10)) {
      const { value } = await manual.next();
      if (value?.type === "message" && sequence % 5 === 0) {
        value.ack();
      }
    }

    expect(acks(server.socket)).toEqual([5, 10]);
  });

  it("of what comes again although it is done, are sent again", async () => {
    const client = server.client();
    const seen: unknown[] = [];
    client.subscribe(STREAM, (event) => void seen.push(short(event)));
    await pass();
    send(server.socket, 0, [1, 2]);
    await pass(1_000);
    // The ack was lost with a gateway, which sends again.
    send(server.socket, 0, [1, 2]);
    await pass(1_000);

    expect(seen).toEqual([1, 2]);
    expect(acks(server.socket)).toEqual([2, 2]);
  });
});

it("keeps a slow handler from nobody but itself", async () => {
  const client = server.client();
  const slow = stepwise();
  const quick: unknown[] = [];
  client.subscribe(STREAM, slow.handler);
  client.subscribe(STREAM, (event) => void quick.push(short(event)));
  await pass();
  send(server.socket, 0, range(1, 50), 1);
  send(server.socket, 0, range(1, 50), 2);
  await pass(1_000);

  expect(slow.seen).toEqual([1]);
  expect(quick).toEqual(range(1, 50));
  expect(server.socket.calls("ack").map(({ params }) => params)).toEqual([{ subscription: 2, through: 50 }]);
});

it("handles all messages of a frame in one turn where the handler is done already", async () => {
  const client = server.client();
  const seen: unknown[] = [];
  client.subscribe(STREAM, (event) => {
    if (seen.length === 0) {
      queueMicrotask(() => seen.push("a turn"));
    }
    seen.push(short(event));
  });
  await pass();
  send(server.socket, 0, [1, 2, 3]);
  await pass();

  expect(seen).toEqual([1, 2, 3, "a turn"]);
});
