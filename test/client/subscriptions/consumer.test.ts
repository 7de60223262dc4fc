import fc from "fast-check";
import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { DurableStreamError } from "../../../rpc/client.ts";
import type { ConsumerDelivery } from "../../../rpc/client.ts";
import { NakDelayMs, TermReason } from "../../../rpc/index.ts";

import { pass, ScriptedServer, standing, watch } from "../scripted-server.ts";
import type { ScriptedSocket } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
  server.onConnect = (socket) => {
    let subscriptions = 0;
    socket.onCall = ({ id, method }) => {
      if (method === "subscribe") {
        subscriptions += 1;
        const result = { subscription: subscriptions, stream: "s", epoch: "e", nextSequence: 1, lastSequence: 9 };
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
});

const SHARE = { stream: "s", consumer: "c" };

function send(socket: ScriptedSocket, previous: number, sequences: readonly number[], subscription = 1): void {
  const messages = sequences.map((sequence) => ({ deliveryCount: 1, sequence, publishedAt: 1, data: sequence }));
  socket.notify("messages", { subscription, stream: "s", previous, messages });
}

function told(socket: ScriptedSocket, method: string): unknown[] {
  return socket.calls(method).map(({ params }) => params);
}

/** A handler that finishes when a test says so. */
function stepwise() {
  const seen: number[] = [];
  const steps: (() => void)[] = [];
  return {
    seen,
    handler: ({ sequence }: ConsumerDelivery) => {
      seen.push(sequence);
      return new Promise<void>((resolve) => steps.push(resolve));
    },
    finish: async () => {
      await pass();
      steps.shift()?.();
      await pass();
    },
  };
}

describe("acks of a consumer's messages", () => {
  it("go by sequence, those of one burst together, and as requests whose answers say that they are stored", async () => {
    const client = server.client();
    client.subscribe(SHARE, () => undefined);
    await pass();
    send(server.socket, 0, [7, 3, 9]);
    await pass();

    expect(told(server.socket, "ack")).toEqual([{ subscription: 1, sequences: [7, 3, 9] }]);
    expect(server.socket.calls("ack")[0]?.id).toBeDefined();
  });

  it("go at half the window", async () => {
    const client = server.client();
    client.subscribe({ ...SHARE, maxInFlight: 4 }, () => undefined);
    await pass();
    send(server.socket, 0, [1, 2, 3]);
    await pass();

    expect(told(server.socket, "ack")).toEqual(
      [1, 2].map((ack) => ({ subscription: 1, sequences: ack === 1 ? [1, 2] : [3] })),
    );
  });

  it("that a lost socket left unanswered are told again on the next one, and the message is not handled again", async () => {
    const client = server.client();
    const seen: number[] = [];
    client.subscribe(SHARE, ({ sequence }) => void seen.push(sequence));
    await pass();
    server.socket.onCall = () => undefined;
    send(server.socket, 0, [5]);
    await pass();
    expect(told(server.socket, "ack")).toHaveLength(1);
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    server.socket.end();
    await pass(1);
    // On the new socket it comes again, before the ack that crosses it is answered.
    const { socket } = server;
    const result = { subscription: 1, stream: "s", epoch: "e", nextSequence: 1, lastSequence: 9 };
    socket.answer({ id: socket.calls("subscribe")[0]?.id, result });
    send(socket, 0, [5]);
    await pass();
    expect(told(socket, "ack")).toEqual([{ subscription: 1, sequences: [5] }]);
    socket.answer({ id: socket.calls("ack")[0]?.id, result: {} });
    await pass(1_000);

    expect(told(socket, "ack")).toHaveLength(1);
    expect(seen).toEqual([5]);
  });

  it("of what is in hand when the client closes are stored before the subscription ends", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe(SHARE, handler);
    await pass();
    send(server.socket, 0, [1, 2]);
    await pass();
    server.socket.onCall = () => undefined;
    const closing = watch(client.close());
    await finish();
    expect(closing.outcome).toBe("pending");
    server.socket.answer({ id: server.socket.calls("ack")[0]?.id, result: {} });
    await pass();

    expect(seen).toEqual([1]);
    expect(closing.outcome).toEqual({ value: undefined });
    const last = server.socket.calls().map(({ method, params }) => ({ method, params }));
    expect(last.slice(-2)).toEqual([
      { method: "ack", params: { subscription: 1, sequences: [1] } },
      { method: "unsubscribe", params: { subscription: 1 } },
    ]);
  });

  it("that the server can not store for now are told again", async () => {
    const client = server.client();
    client.subscribe(SHARE, () => undefined);
    await pass();
    let answers = 0;
    server.socket.onCall = ({ id }) => {
      answers += 1;
      const answer = answers === 1 ? { id, error: { code: -32_008, message: "unknown" } } : { id, result: {} };
      queueMicrotask(() => server.socket.answer(answer));
    };
    send(server.socket, 0, [1]);
    await pass(2_000);

    expect(told(server.socket, "ack")).toEqual([1, 2].map(() => ({ subscription: 1, sequences: [1] })));
  });
});

describe("a lost connection", () => {
  it("takes away what waits, and what is being handled is finished, acked, and not handled twice at a time", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    client.subscribe(SHARE, handler);
    await pass();
    send(server.socket, 0, [1, 2, 3]);
    await pass();
    server.socket.end();
    await pass(1);
    // 2 went to somebody else meanwhile.
    send(server.socket, 0, [1, 3]);
    await finish();
    await finish();
    await pass(1_000);

    expect(seen).toEqual([1, 3]);
    expect(told(server.socket, "ack")).toEqual([{ subscription: 1, sequences: [1, 3] }]);
  });

  it("makes a late nak of no use, as the message was given to others, but not a late term", async () => {
    const client = server.client();
    const deliveries: ConsumerDelivery[] = [];
    const subscription = client.subscribe(SHARE, { ack: "manual" });
    await pass();
    send(server.socket, 0, [1, 2]);
    for (let count = 0; count < 2; count += 1) {
      const { value } = await subscription.next();
      if (value !== undefined) {
        deliveries.push(value);
      }
    }
    server.socket.end();
    await pass(1);
    deliveries[0]?.nak();
    deliveries[1]?.term("no good");
    await pass();

    expect(told(server.socket, "nak")).toEqual([]);
    expect(told(server.socket, "term")).toEqual([{ subscription: 1, sequences: [2], reason: "no good" }]);
  });

  it("leaves what is being handled to its handler once the server has delivered it again", async () => {
    const client = server.client();
    const jobs: ConsumerDelivery[] = [];
    client.subscribe(SHARE, (job) => {
      jobs.push(job);
      return new Promise<void>(() => undefined);
    });
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    server.socket.end();
    await pass(1);
    jobs[0]?.working();
    expect(told(server.socket, "working")).toEqual([]);
    send(server.socket, 0, [1]);
    await pass();
    jobs[0]?.working();
    jobs[0]?.nak(5);
    await pass();

    expect(jobs).toHaveLength(1);
    expect(told(server.socket, "working")).toEqual([{ subscription: 1, sequences: [1] }]);
    expect(told(server.socket, "nak")).toEqual([{ subscription: 1, sequences: [1], delayMs: 5 }]);
  });

  it("ends the subscription when another message comes in the place of one in hand: the stream was put back", async () => {
    const client = server.client();
    const { seen, handler } = stepwise();
    const ended = watch(client.subscribe(SHARE, handler).ended);
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    server.socket.end();
    await pass(1);
    // It says what it has seen, so that the server finds out before it takes an ack.
    expect(told(server.socket, "subscribe")).toEqual([{ ...SHARE, seen: { sequence: 1, publishedAt: 1 } }]);
    const message = { deliveryCount: 1, sequence: 1, publishedAt: 2, data: "another" };
    server.socket.notify("messages", { subscription: 1, stream: "s", previous: 0, messages: [message] });
    await pass();

    expect(seen).toEqual([1]);
    expect(ended.outcome).toMatchObject({ error: { name: "EpochChanged", data: { reason: "restored" } } });
  });

  it.each(["auto", "manual"] as const)("does not lose a term: acks are %s", async (ack) => {
    const client = server.client({ reconnect: { leastMs: 500, mostMs: 500 } });
    const seen: number[] = [];
    const handler = async (delivery: ConsumerDelivery) => {
      seen.push(delivery.sequence);
      await new Promise((resolve) => setTimeout(resolve, 100));
      delivery.term("no good");
    };
    client.subscribe(SHARE, handler, ack === "manual" ? { ack } : {});
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    vi.spyOn(Math, "random").mockReturnValue(0.9);
    server.socket.end();
    await pass(400);
    expect(seen).toEqual([1]);
    const { onConnect } = server;
    server.onConnect = (socket) => {
      onConnect(socket);
      const { onCall } = socket;
      socket.onCall = (call) => {
        onCall(call);
        if (call.method === "subscribe") {
          queueMicrotask(() => send(socket, 0, [1, 2]));
        }
      };
    };
    await pass(1_000);

    expect(server.sockets).toHaveLength(2);
    expect(seen).toEqual([1, 2]);
    expect(told(server.socket, "term")).toEqual([
      { subscription: 1, sequences: [1], reason: "no good" },
      { subscription: 1, sequences: [2], reason: "no good" },
    ]);
    expect(told(server.socket, "ack")).toEqual([]);
  });

  it("has a term sent again that was not answered, and close() waits for its answer", async () => {
    const client = server.client();
    client.subscribe(SHARE, (delivery) => delivery.term());
    await pass();
    server.socket.onCall = () => undefined;
    send(server.socket, 0, [1]);
    await pass();
    expect(told(server.socket, "term")).toEqual([{ subscription: 1, sequences: [1] }]);
    const closed = watch(client.close());
    expect(await standing(closed)).toBe("pending");
    server.socket.end();
    await pass(1);

    expect(told(server.socket, "term")).toEqual([{ subscription: 1, sequences: [1] }]);
    expect(await standing(closed)).toEqual({ value: undefined });
  });

  it("is not needed to find that something is missing: it subscribes again", async () => {
    const client = server.client();
    const seen: number[] = [];
    client.subscribe(SHARE, ({ sequence }) => void seen.push(sequence));
    await pass();
    send(server.socket, 0, [1]);
    send(server.socket, 2, [3]);
    await pass();
    send(server.socket, 0, [2, 3], 2);
    await pass();

    expect(told(server.socket, "unsubscribe")).toEqual([{ subscription: 1 }]);
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe("another epoch of the stream", () => {
  it.each([
    ["e", { reason: "restored" }],
    ["another", { epoch: "another" }],
  ])("is found by what was seen, when the server is in epoch %s", async (epoch, data) => {
    const client = server.client();
    const ended = watch(client.subscribe(SHARE, () => new Promise<void>(() => undefined)).ended);
    await pass();
    send(server.socket, 0, [5]);
    await pass();
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    server.socket.end();
    await pass(1);
    const { socket } = server;
    const error = { code: -32_004, message: "no", data: { lastSequence: 1, epoch } };
    socket.answer({ id: socket.calls("subscribe")[0]?.id, error });
    await pass();

    expect(ended.outcome).toMatchObject({ error: { name: "EpochChanged", data } });
  });

  it("ends the subscription, and what was done says nothing of the messages that have the numbers now", async () => {
    const client = server.client();
    const { seen, handler, finish } = stepwise();
    const ended = watch(client.subscribe({ ...SHARE, maxInFlight: 2 }, handler).ended);
    await pass();
    // The ack of 1 stays without an answer, as its socket is lost; 2 is in hand.
    server.socket.onCall = () => undefined;
    send(server.socket, 0, [1, 2]);
    await finish();
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    server.socket.end();
    await pass(1);
    const { socket } = server;
    const result = { subscription: 7, stream: "s", epoch: "another", nextSequence: 1, lastSequence: 9 };
    socket.answer({ id: socket.calls("subscribe")[0]?.id, result });
    await finish();
    await pass(1_000);

    expect(seen).toEqual([1, 2]);
    expect(ended.outcome).toMatchObject({ error: { name: "EpochChanged", data: { epoch: "another" } } });
    expect(socket.calls().map(({ method, params }) => [method, params])).toEqual([
      ["subscribe", { ...SHARE, maxInFlight: 2, seen: { sequence: 2, publishedAt: 1 } }],
      ["unsubscribe", { subscription: 7 }],
    ]);
  });
});

describe("a delivery", () => {
  it("is given back, ended or prolonged, and its first word counts", async () => {
    const client = server.client();
    client.subscribe(SHARE, (delivery) => {
      if (delivery.sequence === 1) {
        delivery.working();
        delivery.nak(2_000);
        delivery.ack();
        delivery.working();
      } else if (delivery.sequence === 2) {
        delivery.term();
      } else {
        delivery.nak();
      }
    });
    await pass();
    send(server.socket, 0, [1, 2, 3]);
    await pass(1_000);

    expect(server.socket.calls().map(({ method, params }) => [method, params])).toEqual([
      ["subscribe", SHARE],
      ["working", { subscription: 1, sequences: [1] }],
      ["nak", { subscription: 1, sequences: [1], delayMs: 2_000 }],
      ["term", { subscription: 1, sequences: [2] }],
      ["nak", { subscription: 1, sequences: [3] }],
    ]);
  });

  it("may come again after it was given back", async () => {
    const client = server.client();
    const seen: number[] = [];
    client.subscribe(SHARE, (delivery) => {
      seen.push(delivery.sequence);
      if (seen.length === 1) {
        delivery.nak(0);
      }
    });
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    send(server.socket, 1, [1]);
    await pass();

    expect(seen).toEqual([1, 1]);
    expect(told(server.socket, "ack")).toEqual([{ subscription: 1, sequences: [1] }]);
  });

  it("that a reader passed without a word comes again, and then the later one counts", async () => {
    const client = server.client();
    const counts: number[] = [];
    const deliveries: ConsumerDelivery[] = [];
    client.subscribe(
      SHARE,
      (delivery) => {
        counts.push(delivery.deliveryCount);
        deliveries.push(delivery);
      },
      { ack: "manual" },
    );
    await pass();
    send(server.socket, 0, [1]);
    await pass();
    const again = { deliveryCount: 2, sequence: 1, publishedAt: 1, data: 1 };
    server.socket.notify("messages", { subscription: 1, stream: "s", previous: 1, messages: [again] });
    await pass();
    deliveries[0]?.nak();
    deliveries[1]?.nak(5);
    await pass();

    expect(counts).toEqual([1, 2]);
    expect(told(server.socket, "nak")).toEqual([{ subscription: 1, sequences: [1], delayMs: 5 }]);
  });
});

/** A delivery that is not settled. */
async function delivered(): Promise<ConsumerDelivery> {
  const subscription = server.client().subscribe(SHARE, { ack: "manual" });
  await pass();
  send(server.socket, 0, [1]);
  const { value } = await subscription.next();
  if (value === undefined) {
    throw new Error("nothing came");
  }
  return value;
}

/** Whether a call throws InvalidParams, with what is wrong; any other error is its own. */
function isRefused(call: () => void, path: string): boolean {
  try {
    call();
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(DurableStreamError);
    expect(error).toMatchObject({ name: "InvalidParams", data: { issues: [{ path }] } });
    return true;
  }
}

describe("what would be refused without an answer", () => {
  it.each([1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 86_400_001, "5", null])(
    "throws instead: nak(%s), after which the delivery may still be settled",
    async (delayMs) => {
      const delivery = await delivered();

      expect(isRefused(() => delivery.nak(delayMs as number), "delayMs")).toBe(true);
      delivery.nak(5);

      expect(told(server.socket, "nak")).toEqual([{ subscription: 1, sequences: [1], delayMs: 5 }]);
    },
  );

  it.each([
    ["nothing", ""],
    ["too much", "x".repeat(257)],
    ["half a surrogate pair", "\ud83d"],
    ["a number", 5],
    ["null", null],
  ])("throws instead: term of %s, after which the delivery may still be settled", async (_what, reason) => {
    const delivery = await delivered();

    expect(isRefused(() => delivery.term(reason as string), "reason")).toBe(true);
    delivery.term("no good");

    expect(told(server.socket, "term")).toEqual([{ subscription: 1, sequences: [1], reason: "no good" }]);
  });

  it("is what the contract's schemas refuse, and nothing else", async () => {
    const delays = fc.oneof(fc.integer({ min: -2, max: 86_400_002 }), fc.double(), fc.maxSafeInteger(), fc.anything());
    const reasons = fc.oneof(fc.string({ unit: "grapheme", maxLength: 300 }), fc.anything());
    const delivery = await delivered();

    fc.assert(
      fc.property(
        delays.filter((delay) => delay !== undefined),
        (delay) => isRefused(() => delivery.nak(delay as number), "delayMs") !== v.is(NakDelayMs, delay),
      ),
    );
    fc.assert(
      fc.property(
        reasons.filter((reason) => reason !== undefined),
        (reason) => isRefused(() => delivery.term(reason as string), "reason") !== v.is(TermReason, reason),
      ),
    );
  });

  it("is not an ack of more messages than one may name: they go in several", async () => {
    const client = server.client();
    client.subscribe({ ...SHARE, maxInFlight: 10_000 }, () => undefined);
    await pass();
    const each = Array.from({ length: 10_000 }, (_, index) => index + 1);
    // Two sockets are lost before they answer an ack; the second has brought one message more.
    const answering = server.onConnect;
    server.onConnect = (socket) => {
      socket.onCall = ({ id, method }) => {
        const result = { subscription: 1, stream: "s", epoch: "e", nextSequence: 1, lastSequence: 9 };
        queueMicrotask(() => method === "subscribe" && socket.answer({ id, result }));
      };
      queueMicrotask(() => socket.open());
    };
    server.socket.end();
    await pass(1);
    send(server.socket, 0, each);
    await pass(100);
    server.socket.end();
    await pass(1);
    send(server.socket, 0, [10_001]);
    await pass(100);
    server.onConnect = answering;
    server.socket.end();
    await pass(100);

    const named = server.socket.calls("ack").map(({ params }) => (params["sequences"] as number[]).length);
    expect(named).toEqual([10_000, 1]);
  });
});

it.each(["consumerDeleted", "streamDeleted"])("ends when the consumer is deleted: %s", async (reason) => {
  const client = server.client();
  const next = watch(client.subscribe(SHARE).next());
  await pass();
  server.socket.notify("subscriptionClosed", { subscription: 1, reason });

  expect(await standing(next)).toMatchObject({ error: { name: "NotFound", data: { what: "consumer", reason } } });
  expect(server.socket.calls("ack")).toEqual([]);
});

it("ends when its stream is restored: a consumer of that name is another", async () => {
  const client = server.client();
  const next = watch(client.subscribe(SHARE).next());
  await pass();
  server.socket.notify("subscriptionClosed", { subscription: 1, reason: "streamRestored" });

  expect(await standing(next)).toMatchObject({ error: { name: "EpochChanged", data: { reason: "restored" } } });
});
