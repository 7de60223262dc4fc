import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { StreamEvent, Subscription } from "../../../rpc/client.ts";

import { pass, ScriptedServer, standing, watch } from "../scripted-server.ts";

let server: ScriptedServer;
/** What is reported where nobody listens. */
let reported: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  reported = [];
  vi.spyOn(console, "error").mockImplementation((_what, error) => void reported.push(error));
  server = new ScriptedServer();
  server.onConnect = (socket) => {
    let subscriptions = 0;
    socket.onCall = ({ id, method, params }) => {
      if (method === "subscribe") {
        subscriptions += 1;
        const nextSequence = (params["from"] as { sequence: number } | undefined)?.sequence ?? 1;
        const result = { subscription: subscriptions, stream: "s", epoch: "e", nextSequence, lastSequence: 9 };
        queueMicrotask(() => socket.answer({ id, result }));
      } else if (id !== undefined) {
        queueMicrotask(() => socket.answer({ id, result: {} }));
      }
    };
    queueMicrotask(() => socket.open());
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const STREAM = { stream: "s" };
const SHARE = { stream: "s", consumer: "c" };
const BROKEN = new Error("broken");
/** Longer than any pause. */
const LONG_MS = 6_000;

function send(previous: number, sequences: readonly number[], subscription = 1): void {
  const messages = sequences.map((sequence) => ({ deliveryCount: 1, sequence, publishedAt: 1, data: sequence }));
  server.socket.notify("messages", { subscription, stream: "s", previous, messages });
}

function told(method: string): unknown[] {
  return server.socket.calls(method).map(({ params }) => params);
}

/** A handler that fails for its first so many calls; what it was called with. */
function failing(failures: number) {
  const seen: unknown[] = [];
  const handler = (event: StreamEvent | { type: "message"; sequence: number }): void => {
    seen.push(event.type === "message" ? event.sequence : event.type);
    if (seen.length <= failures) {
      throw BROKEN;
    }
  };
  return { seen, handler };
}

describe("a handler that throws", () => {
  it("of a stream gets the event again after a pause, and nothing before it", async () => {
    const { seen, handler } = failing(2);
    const subscription = server.client().subscribe(STREAM, handler);
    const ended = watch(subscription.ended);
    await pass();
    send(0, [1, 2]);
    await pass();
    expect(seen).toEqual([1]);
    await pass(2 * LONG_MS);

    expect(seen).toEqual([1, 1, 1, 2]);
    expect(reported).toEqual([BROKEN, BROKEN]);
    expect(ended.outcome).toBe("pending");
    expect(told("ack")).toEqual([{ subscription: 1, through: 2 }]);
  });

  it("of a consumer gives the message back, which comes after the consumer's backoff, and goes on", async () => {
    const { seen, handler } = failing(1);
    const subscription = server.client().subscribe(SHARE, handler);
    const ended = watch(subscription.ended);
    await pass();
    send(0, [1, 2]);
    await pass(LONG_MS);

    expect(seen).toEqual([1, 2]);
    expect(reported).toEqual([BROKEN]);
    expect(ended.outcome).toBe("pending");
    expect(told("nak")).toEqual([{ subscription: 1, sequences: [1] }]);
    expect(told("ack")).toEqual([{ subscription: 1, sequences: [2] }]);
  });

  it.each([
    ["stream", STREAM],
    ["consumer", SHARE],
  ])("of a %s is heard by `onError`, with the event, and not reported", async (_what, params) => {
    const heard: unknown[] = [];
    const { handler } = failing(1);
    const onError = (error: unknown, event: object) => void heard.push([error, event]);
    server.client().subscribe(params, async (event) => handler(event), { onError });
    await pass();
    send(0, [1]);
    await pass(LONG_MS);

    expect(heard).toEqual([[BROKEN, expect.objectContaining({ type: "message", sequence: 1 })]]);
    expect(reported).toEqual([]);
  });

  it("always is called less and less often, and what is behind the event waits", async () => {
    const { seen, handler } = failing(Infinity);
    server.client().subscribe(STREAM, handler);
    await pass();
    send(0, [1, 2]);
    await pass(1_000);
    const first = seen.length;
    await pass(600_000);

    // Pauses of up to 5 s: 240 of 2.5 s.
    expect(first).toBeGreaterThan(1);
    expect(seen.length - first).toBeGreaterThan(150);
    expect(seen.length - first).toBeLessThan(400);
    expect(new Set(seen)).toEqual(new Set([1]));
    expect(reported).toHaveLength(seen.length);
    expect(told("ack")).toEqual([]);
  });

  it("gets a gap and a new epoch again too", async () => {
    const seen: string[] = [];
    server.client().subscribe(STREAM, ({ type }) => {
      seen.push(type);
      if (seen.filter((other) => other === type).length === 1) {
        throw BROKEN;
      }
    });
    await pass();
    server.socket.notify("gap", { subscription: 1, from: 1, to: 4, reason: "trimmed" });
    await pass(LONG_MS);
    const { socket } = server;
    const answer = socket.onCall;
    socket.onCall = (call) => {
      const { id, method, params } = call;
      if (method === "subscribe" && params["epoch"] !== undefined) {
        const error = { code: -32_010, message: "changed", data: { epoch: "e2" } };
        queueMicrotask(() => socket.answer({ id, error }));
      } else {
        answer(call);
      }
    };
    socket.notify("subscriptionClosed", { subscription: 1, reason: "streamDeleted" });
    await pass(LONG_MS);

    expect(seen).toEqual(["gap", "gap", "epochChanged", "epochChanged"]);
  });

  it("gets no event again that is acked, be it before or by `onError`", async () => {
    const seen: number[] = [];
    server.client().subscribe(
      STREAM,
      (event) => {
        if (event.type === "message") {
          seen.push(event.sequence);
          if (event.sequence === 1) {
            event.ack();
          }
        }
        throw BROKEN;
      },
      {
        ack: "manual",
        onError: (_error, event) => (event.type === "message" && event.sequence === 2 ? event.ack() : undefined),
      },
    );
    await pass();
    send(0, [1, 2, 3]);
    await pass(100);

    expect(new Set(seen.slice(2))).toEqual(new Set([3]));
    expect(seen.slice(0, 3)).toEqual([1, 2, 3]);
    await pass(LONG_MS);
    expect(told("ack")).toEqual([{ subscription: 1, through: 2 }]);
  });

  it("leaves the last word to an `onError` that has one", async () => {
    server.client().subscribe(
      SHARE,
      () => {
        throw BROKEN;
      },
      { onError: (error, delivery) => delivery.term(String(error)) },
    );
    await pass();
    send(0, [1]);
    await pass();

    expect(told("term")).toEqual([{ subscription: 1, sequences: [1], reason: "Error: broken" }]);
    expect(told("nak")).toEqual([]);
  });

  it("because it settles what the contract does not take gets the message again", async () => {
    server.client().subscribe(SHARE, (delivery) => delivery.nak(1.5));
    await pass();
    send(0, [1]);
    await pass();

    expect(reported).toEqual([expect.objectContaining({ name: "InvalidParams" })]);
    expect(told("nak")).toEqual([{ subscription: 1, sequences: [1] }]);
  });

  it("is called again when the connection was lost meanwhile, for the same message, and once", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { seen, handler } = failing(1);
    server.client().subscribe(STREAM, handler);
    await pass();
    send(0, [1]);
    await pass(50);
    server.socket.end();
    await pass(1);
    send(0, [1, 2]);
    await pass(LONG_MS);

    expect(told("subscribe")).toEqual([{ stream: "s", epoch: "e", from: { sequence: 1 } }]);
    expect(seen).toEqual([1, 1, 2]);
    expect(told("ack")).toEqual([{ subscription: 1, through: 2 }]);
  });
});

it.each([
  [
    "throws",
    () => {
      throw new Error("enough");
    },
  ],
  ["rejects", () => Promise.reject(new Error("enough"))],
])("an `onError` that %s ends the subscription, and a consumer's message is given back", async (_what, onError) => {
  const client = server.client();
  const { handler } = failing(Infinity);
  const ended = [STREAM, SHARE].map((params) => watch(client.subscribe(params, handler, { onError }).ended));
  await pass();
  send(0, [1], 1);
  send(0, [1], 2);
  await pass(LONG_MS);

  const enough = { error: { message: "enough" } };
  expect(ended.map(({ outcome }) => outcome)).toMatchObject([enough, enough]);
  expect(told("nak")).toEqual([{ subscription: 2, sequences: [1] }]);
  expect(told("unsubscribe")).toEqual([{ subscription: 1 }, { subscription: 2 }]);
  expect(told("ack")).toEqual([]);
  expect(reported).toEqual([]);
});

/** A subscription that waits to have its first message handled again. */
async function paused() {
  vi.spyOn(Math, "random").mockReturnValue(1);
  const client = server.client();
  const { seen, handler } = failing(Infinity);
  const subscription = client.subscribe(STREAM, handler);
  await pass();
  send(0, [1, 2]);
  await pass(1_000);
  return { client, subscription, calls: seen.length };
}

describe("the end of a subscription whose handler fails", () => {
  it.each([
    ["closing", (subscription: Subscription) => Promise.resolve(subscription.close())],
    ["draining", (subscription: Subscription) => subscription.drain()],
  ])("comes at once with %s it, without its ack", async (_what, end) => {
    const { client, subscription, calls } = await paused();
    const over = watch(Promise.all([subscription.ended, end(subscription)]));

    expect(await standing(over)).toMatchObject({ value: expect.anything() });
    await pass(LONG_MS);
    expect(reported).toHaveLength(calls);
    expect(told("ack")).toEqual([]);
    expect(told("unsubscribe")).toHaveLength(1);
    await client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("comes at once with closing the client", async () => {
    const { client } = await paused();

    expect(await standing(watch(client.close()))).toEqual({ value: undefined });
    expect(told("ack")).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for the handler that is at work, and not for another try", async () => {
    const client = server.client();
    const work = Promise.withResolvers<void>();
    const subscription = client.subscribe(STREAM, () => work.promise);
    const ended = watch(subscription.ended);
    await pass();
    send(0, [1]);
    await pass();
    const drained = watch(subscription.drain());
    await pass(1_000);
    expect(drained.outcome).toBe("pending");
    work.reject(BROKEN);
    await pass();

    expect([drained.outcome, ended.outcome]).toEqual([{ value: undefined }, { value: undefined }]);
    expect(reported).toEqual([BROKEN]);
    expect(told("ack")).toEqual([]);
  });
});

it.each([
  [
    "throws",
    () => {
      throw BROKEN;
    },
  ],
  ["rejects", (): unknown => Promise.reject(BROKEN)],
])("an `onState` that %s is reported, and changes nothing", async (_what, onState) => {
  const client = server.client({ onState });
  const { seen, handler } = failing(0);
  client.subscribe(STREAM, handler);
  await pass();
  send(0, [1]);
  await pass();

  expect(client.state).toBe("open");
  expect(seen).toEqual([1]);
  expect(reported).toEqual([BROKEN, BROKEN]);
});
