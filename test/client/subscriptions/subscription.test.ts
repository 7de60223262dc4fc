import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { StreamEvent } from "../../../rpc/client.ts";

import { pass, ScriptedServer, standing, watch } from "../scripted-server.ts";
import type { ScriptedSocket, SentCall } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
  server.onConnect = (socket) => {
    let subscriptions = 0;
    socket.onCall = ({ id, method }) => {
      if (method === "subscribe") {
        subscriptions += 1;
        const subscription = subscriptions;
        queueMicrotask(() => socket.answer({ id, result: begun(subscription) }));
      } else if (method === "unsubscribe") {
        queueMicrotask(() => socket.answer({ id, result: {} }));
      }
    };
    queueMicrotask(() => socket.open());
  };
});

afterEach(() => {
  vi.useRealTimers();
});

const STREAM = { stream: "s" };

function begun(subscription: number, rest: object = {}): object {
  return { subscription, stream: "s", epoch: "e1", nextSequence: 1, lastSequence: 0, ...rest };
}

/** Sends messages of a subscription as the server does. */
function send(socket: ScriptedSocket, previous: number, sequences: readonly number[], subscription = 1): void {
  const messages = sequences.map((sequence) => ({ sequence, publishedAt: 1_000 + sequence, data: `m${sequence}` }));
  socket.notify("messages", { subscription, stream: "s", previous, messages });
}

/** What a handler was given, in short. */
function short(event: StreamEvent): unknown {
  if (event.type === "message") {
    return event.sequence;
  }
  return event.type === "gap" ? `${event.reason} ${event.from}-${event.to}` : event.epoch;
}

function acks(socket: ScriptedSocket): unknown[] {
  return socket.calls("ack").map(({ params }) => params["through"]);
}

/** A handler that finishes when a test says so. */
function stepwise() {
  const seen: unknown[] = [];
  const steps: (() => void)[] = [];
  return {
    seen,
    handler: (event: StreamEvent) => {
      seen.push(short(event));
      return new Promise<void>((resolve) => steps.push(resolve));
    },
    /** Lets the event being handled be done, and so many after it. */
    finish: async (count = 1) => {
      await pass();
      for (let done = 0; done < count; done += 1) {
        steps.shift()?.();
        await pass();
      }
    },
  };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

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

/** Answers subscribe: EpochChanged where an epoch is given that is not this one. */
function liveAs(epoch: string): (socket: ScriptedSocket) => void {
  return (socket) => {
    let subscription = 10;
    socket.onCall = ({ id, method, params }: SentCall) => {
      if (method !== "subscribe") {
        return;
      }
      subscription += 1;
      const other = params["epoch"] !== undefined && params["epoch"] !== epoch;
      const answer = other
        ? { id, error: { code: -32_010, message: "changed", data: { epoch } } }
        : { id, result: begun(subscription, { epoch }) };
      queueMicrotask(() => socket.answer(answer));
    };
  };
}

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
