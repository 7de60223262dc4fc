/** How a subscription begins in vain, is read and ends. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { pass, standing, watch } from "../scripted-server.ts";
import type { ScriptedServer } from "../scripted-server.ts";
import { acks, begun, followedServer, send, short, stepwise, STREAM } from "./followed-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  server = followedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("a subscription that the server closes", () => {
  it("for want of acks goes on behind the last message done", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe(STREAM, handler);
    await pass();
    send(server.socket, 0, [1, 2]);
    await finish(1);
    server.socket.notify("subscriptionClosed", { subscription: 1, reason: "ackTimeout" });
    await pass();
    send(server.socket, 0, [2, 3], 2);
    await finish(2);

    expect(server.socket.calls("subscribe")[1]?.params).toMatchObject({ from: { sequence: 2 } });
    expect(seen).toEqual([1, 2, 3]);
  });

  it("for a reason that is not known here fails", async () => {
    const client = server.client();
    const subscription = client.subscribe(STREAM);
    const next = watch(subscription.next());
    await pass();
    server.socket.notify("subscriptionClosed", { subscription: 1, reason: "consumerDeleted" });

    expect(await standing(next)).toMatchObject({ error: { name: "NotFound" } });
  });
});

describe("a subscribe that the server refuses", () => {
  it("for now is repeated, and for good is told to the reader, the handler's owner and who waits for it", async () => {
    const codes = [-32_009, -32_012, -32_008, -32_011];
    server.onConnect = (socket) => {
      socket.onCall = ({ id }) =>
        queueMicrotask(() => socket.answer({ id, error: { code: codes.shift() ?? -32_011, message: "no" } }));
      queueMicrotask(() => socket.open());
    };
    const client = server.client();
    const read = client.subscribe(STREAM);
    const next = watch(read.next());
    const ready = watch(read.ready);
    await pass(60_000);
    const handled = client.subscribe(STREAM, () => undefined);
    const ended = watch(handled.ended);
    await pass(60_000);

    expect(server.socket.calls("subscribe")).toHaveLength(5);
    const refusal = { error: { name: "LimitReached" } };
    expect([next.outcome, ready.outcome, ended.outcome]).toMatchObject([refusal, refusal, refusal]);
  });
});

describe("the end of a subscription", () => {
  it("comes with leaving the loop: what is done is acked, and the server is told", async () => {
    const client = server.client();
    const subscription = client.subscribe(STREAM);
    const read = (async () => {
      const seen: unknown[] = [];
      for await (const event of subscription) {
        seen.push(short(event));
        if (seen.length === 2) {
          break;
        }
      }
      return seen;
    })();
    await pass();
    send(server.socket, 0, [1, 2, 3]);
    await pass();

    expect(await read).toEqual([1, 2]);
    await subscription.ended;
    expect(server.socket.calls().map(({ method }) => method)).toEqual(["subscribe", "ack", "unsubscribe"]);
    expect(acks(server.socket)).toEqual([1]);
  });

  it("comes with its signal, before and after it began", async () => {
    const client = server.client();
    const aborter = new AbortController();
    const subscription = client.subscribe(STREAM, { signal: aborter.signal });
    const next = watch(subscription.next());
    await pass();
    aborter.abort();
    const late = watch(client.subscribe(STREAM, { signal: aborter.signal }).next());
    await pass();

    expect([next.outcome, late.outcome]).toEqual([1, 2].map(() => ({ value: { value: undefined, done: true } })));
    expect(server.socket.calls().map(({ method }) => method)).toEqual(["subscribe", "unsubscribe"]);
  });

  it("that crosses the answer to subscribe leaves nothing behind at the server", async () => {
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    const client = server.client();
    const subscription = client.subscribe(STREAM);
    await pass();
    subscription.close();
    server.socket.answer({ id: server.socket.calls("subscribe")[0]?.id, result: begun(4) });
    await pass();

    expect(server.socket.calls("unsubscribe").map(({ params }) => params)).toEqual([{ subscription: 4 }]);
  });

  it("comes with that of the client", async () => {
    const client = server.client();
    const subscription = client.subscribe(STREAM);
    const next = watch(subscription.next());
    const handled = watch(client.subscribe(STREAM, () => undefined).ended);
    await pass();
    watch(client.close());
    await pass();
    const late = watch(client.subscribe(STREAM).next());
    await pass();

    expect(next.outcome).toEqual({ value: { value: undefined, done: true } });
    expect(handled.outcome).toEqual({ value: undefined });
    expect(late.outcome).toMatchObject({ error: { name: "Unavailable" } });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the reader of a subscription", () => {
  it("is one: another loop is refused, and one event is out at a time", async () => {
    const client = server.client();
    const subscription = client.subscribe(STREAM);
    expect(subscription[Symbol.asyncIterator]()).toBe(subscription);
    expect(() => subscription[Symbol.asyncIterator]()).toThrow(TypeError);
    expect(() => client.subscribe(STREAM, () => undefined)[Symbol.asyncIterator]()).toThrow(TypeError);
    await pass();
    const first = watch(subscription.next());
    const second = watch(subscription.next());
    send(server.socket, 0, [1, 2]);
    await pass(1_000);

    expect(first.outcome).toMatchObject({ value: { value: { sequence: 1 } } });
    expect(second.outcome).toBe("pending");
    expect(acks(server.socket)).toEqual([]);
    const third = watch(subscription.next());
    await pass(1_000);
    expect(second.outcome).toMatchObject({ value: { value: { sequence: 2 } } });
    expect(acks(server.socket)).toEqual([1]);
    subscription.close();
    expect(await standing(third)).toEqual({ value: { value: undefined, done: true } });
  });

  it("may take together what came together, and is done with it together", async () => {
    const client = server.client();
    const subscription = client.subscribe({ ...STREAM, maxInFlight: 6 });
    await pass();
    const batches: unknown[] = [];
    const take = async () => {
      const { value } = await subscription.nextBatch();
      batches.push(value?.map(short));
    };
    const first = take();
    send(server.socket, 0, [1, 2, 3]);
    await first;
    send(server.socket, 3, [4, 5]);
    send(server.socket, 5, [6]);
    server.socket.notify("gap", { subscription: 1, from: 7, to: 8, reason: "deleted" });
    send(server.socket, 8, [9, 10]);
    await pass(1_000);
    expect(acks(server.socket)).toEqual([]);
    await take();
    expect(acks(server.socket)).toEqual([3]);
    await take();
    await take();
    // One of two is taken alone, and then the rest of them.
    const { value } = await subscription.next();
    await take();
    subscription.close();
    await take();

    expect(batches).toEqual([[1, 2, 3], [4, 5], [6], ["deleted 7-8"], [10], undefined]);
    expect(value).toMatchObject({ sequence: 9 });
  });

  it("is told when the first answer does not come in time, and not when it came", async () => {
    const client = server.client();
    const quick = client.subscribe(STREAM, { timeoutMs: 1_000 });
    await pass();
    server.socket.onCall = () => undefined;
    const late = client.subscribe(STREAM, { timeoutMs: 1_000 });
    const outcomes = [quick.ended, late.ready, late.next()].map(watch);
    await pass(999);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["pending", "pending", "pending"]);
    await pass(1);

    const unavailable = { error: { name: "Unavailable" } };
    expect(outcomes.map(({ outcome }) => outcome)).toMatchObject(["pending", unavailable, unavailable]);
  });

  it("leaves no listener on its signal, also where the client is closed", async () => {
    const client = server.client();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const open = client.subscribe(STREAM, { signal });
    await pass();
    open.close();
    await client.close();
    client.subscribe(STREAM, { signal });

    const listeners = (spy: typeof added | typeof removed) => spy.mock.calls.map(([, listener]) => listener);
    expect(listeners(added)).toHaveLength(2);
    expect(listeners(removed)).toEqual(expect.arrayContaining(listeners(added)));
    // The order tells whether the last one was taken away after it was added.
    expect(removed.mock.invocationCallOrder.at(-1)).toBeGreaterThan(added.mock.invocationCallOrder.at(-1) ?? 0);
  });
});

describe("draining", () => {
  it("waits for the handler, acks what it did, hands nothing more on, and lets it call meanwhile", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    const subscription = client.subscribe(STREAM, handler);
    await pass();
    send(server.socket, 0, [1, 2]);
    await pass();
    const closing = watch(client.close());
    watch(client.getState({ stream: "s" }));
    const late = watch(client.subscribe(STREAM).next());
    await pass(1_000);
    expect(closing.outcome).toBe("pending");
    expect(late.outcome).toMatchObject({ error: { name: "Unavailable" } });
    expect(server.socket.calls("getState")).toHaveLength(1);
    server.socket.answer({ id: server.socket.calls("getState")[0]?.id, result: { state: null, revision: 0 } });
    await finish();

    expect(seen).toEqual([1]);
    expect(acks(server.socket)).toEqual([1]);
    expect(closing.outcome).toEqual({ value: undefined });
    expect(await standing(watch(subscription.ended))).toEqual({ value: undefined });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for a handler no longer than it was told to", async () => {
    const client = server.client();
    const { handler } = stepwise();
    client.subscribe(STREAM, handler);
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    const closing = watch(client.close({ timeoutMs: 100 }));
    await pass(99);
    expect(closing.outcome).toBe("pending");
    await pass(1);

    expect(closing.outcome).toEqual({ value: undefined });
    expect(acks(server.socket)).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("of one subscription waits for a loop too, and leaves the others alone", async () => {
    const client = server.client();
    const other = stepwise();
    client.subscribe(STREAM, other.handler);
    const loop = client.subscribe(STREAM);
    await pass();
    send(server.socket, 0, [1, 2], 2);
    await loop.next();
    const drained = watch(loop.drain());
    await pass(1_000);
    expect(drained.outcome).toBe("pending");
    const last = watch(loop.next());
    await pass();
    send(server.socket, 0, [1], 1);
    await other.finish();

    expect(drained.outcome).toEqual({ value: undefined });
    expect(last.outcome).toEqual({ value: { value: undefined, done: true } });
    expect(server.socket.calls("ack").map(({ params }) => params)).toEqual([{ subscription: 2, through: 1 }]);
    expect(server.socket.calls("unsubscribe").map(({ params }) => params)).toEqual([{ subscription: 2 }]);
    expect(other.seen).toEqual([1]);
  });

  it("is over at once where a loop was left", async () => {
    const client = server.client();
    const left = client.subscribe(STREAM);
    await pass();
    send(server.socket, 0, [1, 2], 1);
    for await (const event of left) {
      expect(event).toMatchObject({ sequence: 1 });
      break;
    }
    await pass();

    expect(await standing(watch(left.drain()))).toEqual({ value: undefined });
  });

  it("takes no longer than it was told to", async () => {
    const client = server.client();
    const loop = client.subscribe(STREAM);
    await pass();
    send(server.socket, 0, [1]);
    await loop.next();
    const drained = watch(loop.drain({ timeoutMs: 100 }));
    await pass(99);
    expect(drained.outcome).toBe("pending");
    await pass(1);

    expect(drained.outcome).toEqual({ value: undefined });
    expect(acks(server.socket)).toEqual([]);
  });

  it("is over at once where nothing is in hand", async () => {
    const client = server.client();
    const subscription = client.subscribe(STREAM, () => undefined);
    await pass();

    expect(await standing(watch(subscription.drain()))).toEqual({ value: undefined });
    expect(server.socket.calls("unsubscribe")).toHaveLength(1);
  });
});
