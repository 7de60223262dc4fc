import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import { streamWithConsumer } from "../harness/consumers.ts";
import { SHORT_DEADLINE_MS, shortenRequestDeadline } from "../harness/waits.ts";
import { crash, faultStream } from "../harness/faults.ts";
import { holdStream } from "../harness/hold.ts";
import { post } from "../harness/http.ts";

const OUTCOME_UNKNOWN = -32_008;
const UNAVAILABLE = -32_009;

/** What the runtime says of an object that went down under a call. */
const RESET = Object.assign(new Error("injected: the reply is lost"), { durableObjectReset: true });

/** What the runtime says of an object that has too much to do; it runs nothing. */
const OVERLOADED = Object.assign(new Error("injected: too much to do"), { overloaded: true });

afterEach(() => {
  vi.restoreAllMocks();
});

/** Takes the stream down the moment its next publish has returned, before its caller hears of it. */
async function crashAfterPublish(): Promise<void> {
  let isFirst = true;
  await faultStream("publish", function (publish, call) {
    const reply = publish(call);
    if (isFirst) {
      isFirst = false;
      crash(this);
    }
    return reply;
  });
}

it("answers every publish of a frame with an error of the contract that its stream throws", async () => {
  const client = await connect();
  await faultStream("publish", () => {
    throw Object.assign(new Error("injected: the stream refuses"), { code: -32_007 });
  });
  const call = { jsonrpc: "2.0", method: "publish", params: { stream: "throws", data: 1 } };

  const answers = await client.exchange(JSON.stringify([1, 2].map((id) => ({ ...call, id }))));

  const error = { code: -32_007, message: "injected: the stream refuses" };
  expect(answers).toMatchObject([
    { id: 1, error },
    { id: 2, error },
  ]);
});

it("says OutcomeUnknown when the stream goes down under a publish, and stores the retry with its id once", async () => {
  const stream = "crashes-publish";
  const client = await connect();
  await client.call("publish", { stream, data: "before" });
  await crashAfterPublish();

  const unknown = await client.callError("publish", { stream, data: "once", id: "retried" });
  const retried = await client.call("publish", { stream, data: "once", id: "retried" });
  const again = await client.call("publish", { stream, data: "once", id: "retried" });
  const { messages } = await client.call("getMessages", { stream });

  expect(unknown.code).toBe(OUTCOME_UNKNOWN);
  expect(again).toEqual({ ...retried, duplicate: true });
  expect(messages.map((message) => message.data)).toEqual(["before", "once"]);
});

it("answers every publish of a commit that was lost, and goes on with those that waited", async () => {
  const stream = "crashes-many";
  const client = await connect();
  await client.call("publish", { stream, data: 0 });
  await crashAfterPublish();

  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => client.request("publish", { stream, data: index, id: `id-${index}` })),
  );
  const retries = await Promise.all(
    Array.from({ length: 20 }, (_, index) => client.call("publish", { stream, data: index, id: `id-${index}` })),
  );
  const { messages } = await client.call("getMessages", { stream });

  const codes = outcomes.map((outcome) => outcome.error?.code);
  expect(codes).toContain(OUTCOME_UNKNOWN);
  expect(codes.every((code) => code === undefined || code === OUTCOME_UNKNOWN)).toBe(true);
  expect(new Set(retries.map((retry) => retry.sequence)).size).toBe(20);
  expect(messages).toHaveLength(21);
});

it("repeats a read once when the stream goes down under it, and then says Unavailable", async () => {
  const stream = "crashes-read";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });
  let crashes = 1;
  await faultStream("info", function (info) {
    if (crashes === 0) {
      return info();
    }
    crashes -= 1;
    return crash(this);
  });

  const repeated = await client.call("getStreamInfo", { stream });
  crashes = Number.POSITIVE_INFINITY;
  const unavailable = await client.callError("getStreamInfo", { stream });

  expect(repeated.lastSequence).toBe(1);
  expect(unavailable.code).toBe(UNAVAILABLE);
});

it("says OutcomeUnknown of a subscribe that may have made its stream, and Unavailable of one that makes none", async () => {
  const stream = "follow-is-lost";
  const client = await connect();
  let calls = 0;
  await faultStream("follow", (follow, ...args) => {
    calls += 1;
    void follow(...args);
    throw RESET;
  });

  const unknown = await client.callError("subscribe", { stream });
  const { epoch } = await client.call("getStreamInfo", { stream });
  const callsOfOne = calls;
  const unavailable = await client.callError("subscribe", { stream, epoch });
  vi.restoreAllMocks();
  const repeated = await client.call("subscribe", { stream });

  expect([unknown.code, callsOfOne, unavailable.code]).toEqual([OUTCOME_UNKNOWN, 2, UNAVAILABLE]);
  expect(repeated).toMatchObject({ epoch, nextSequence: 1 });
});

it("says OutcomeUnknown of a publish that takes longer than a request may, and Unavailable of those behind it", async () => {
  const stream = "hangs";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });
  // Flags and not promises: what one object settles, another may not await.
  const gate = { isReached: false, isReleased: false };
  await faultStream("publish", async (publish, call) => {
    gate.isReached = true;
    while (!gate.isReleased) {
      await scheduler.wait(10);
    }
    return publish(call);
  });

  shortenRequestDeadline();
  const hanging = client.callError("publish", { stream, data: 2, id: "hangs" });
  await vi.waitFor(() => expect(gate.isReached).toBe(true), 10_000);
  const behind = client.callError("publish", { stream, data: 3 });
  const codes = [(await hanging).code, (await behind).code];
  const meanwhile = await client.callError("publish", { stream, data: 4 });
  gate.isReleased = true;
  // Until the call that hung has come back, publishes are refused.
  const retried = await vi.waitFor(() => client.call("publish", { stream, data: 2, id: "hangs" }), 10_000);
  const { messages } = await client.call("getMessages", { stream });

  expect([...codes, meanwhile.code]).toEqual([OUTCOME_UNKNOWN, UNAVAILABLE, UNAVAILABLE]);
  expect(retried.sequence).toBe(2);
  expect(messages.map((message) => message.data)).toEqual([1, 2]);
});

it("says OutcomeUnknown of an ack that was stored, when its reply is lost and the repeated call is refused", async () => {
  const stream = "crashes-settle";
  const client = await connect();
  await streamWithConsumer(client, stream, 1, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(1);
  let calls = 0;
  await faultStream("applyAcks", (original, epoch, commands) => {
    calls += 1;
    if (calls > 1) {
      throw OVERLOADED;
    }
    void original(epoch, commands);
    throw RESET;
  });

  const unknown = await client.callError("ack", { subscription, sequences: [1] });
  vi.restoreAllMocks();
  const info = await client.call("getConsumer", { stream, consumer: "c" });

  expect([unknown.code, calls]).toEqual([OUTCOME_UNKNOWN, 2]);
  expect(info).toMatchObject({ ackFloor: 1, inFlight: 0 });
});

it("does not say NotFound of an ack that was stored together with its subscription's end, when the reply is lost", async () => {
  const stream = "crashes-release";
  const client = await connect();
  await streamWithConsumer(client, stream, 2, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(2);
  const calls: string[][] = [];
  const gate = { isReleased: false };
  await faultStream("applyAcks", async (original, epoch, commands) => {
    const call = calls.push(commands.map(({ kind }) => kind));
    while (!gate.isReleased) {
      await scheduler.wait(10);
    }
    const unknown = original(epoch, commands);
    if (call === 2) {
      throw RESET;
    }
    return unknown;
  });

  // The others wait behind the first, and go together.
  const first = client.call("ack", { subscription, sequences: [1] });
  await vi.waitFor(() => expect(calls).toHaveLength(1), 10_000);
  const second = client.callError("ack", { subscription, sequences: [2] });
  await client.call("unsubscribe", { subscription });
  gate.isReleased = true;
  await first;
  const { code } = await second;
  vi.restoreAllMocks();
  const info = await client.call("getConsumer", { stream, consumer: "c" });

  expect(calls).toEqual([["ack"], ["ack", "release"], ["ack", "release"]]);
  expect(code).toBe(OUTCOME_UNKNOWN);
  expect(info).toMatchObject({ ackFloor: 2, inFlight: 0, subscriptions: 0 });
});

it("answers an ack within the request deadline, also one that waits behind another", async () => {
  const stream = "hangs-settle";
  const client = await connect();
  await streamWithConsumer(client, stream, 2, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(2);
  const gate = { calls: 0, isReleased: false };
  await faultStream("applyAcks", async (original, epoch, commands) => {
    gate.calls += 1;
    while (!gate.isReleased) {
      await scheduler.wait(10);
    }
    return original(epoch, commands);
  });
  shortenRequestDeadline();
  const startedAt = Date.now();

  const hanging = client.callError("ack", { subscription, sequences: [1] });
  await vi.waitFor(() => expect(gate.calls).toBe(1), 10_000);
  const behind = client.callError("ack", { subscription, sequences: [2] });
  const codes = [(await hanging).code, (await behind).code];
  const tookMs = Date.now() - startedAt;
  gate.isReleased = true;
  await client.call("ack", { subscription, sequences: [2] });

  expect(codes).toEqual([OUTCOME_UNKNOWN, UNAVAILABLE]);
  // One deadline, and not one for each attempt.
  expect(tookMs).toBeLessThan(SHORT_DEADLINE_MS * 1.9);
  // What nobody waits for any more is stored all the same, once it can be.
  const info = () => client.call("getConsumer", { stream, consumer: "c" });
  await vi.waitFor(async () => expect(await info()).toMatchObject({ ackFloor: 2 }), 5_000);
});

it("undoes the whole of a change that fails half way, in memory as in storage", async () => {
  const stream = "rolls-back";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
  await client.call("putState", { stream, state: "old" });
  await runInDurableObject(env.STREAM.getByName(stream), (_stream, state) => {
    // The first write of the checkpoint succeeds, the second does not.
    state.storage.sql.exec("CREATE TRIGGER broken BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'broken'); END");
  });

  const failed = await client.callError("checkpoint", { stream, state: "new", through: 2 });
  const state = await client.call("getState", { stream });
  const info = await client.call("getStreamInfo", { stream });

  // Of an exception nobody knows how far it let the object go: that it was undone is seen by looking.
  expect([failed.code, Object.keys(failed.data ?? {})]).toEqual([OUTCOME_UNKNOWN, ["requestId"]]);
  expect(state).toEqual({ epoch: expect.any(String), state: "old", revision: 1 });
  expect([info.firstSequence, info.lastSequence, info.messages]).toEqual([1, 2, 2]);
});

/** What the runtime may throw without a mark of its own, though the object has done its work. */
const UNMARKED: [name: string, error: Error][] = [
  ["a fault of the runtime", new Error("internal error; reference = 0123456789abcdef")],
  ["a full disk", new Error("database or disk is full: SQLITE_FULL")],
  ["a method that a version does not have", new TypeError('The RPC receiver does not implement the method "publish".')],
  [
    "an object out of memory",
    Object.assign(new Error("injected: reset"), { overloaded: true, durableObjectReset: true }),
  ],
];

it.each(UNMARKED)(
  "says OutcomeUnknown of a publish that was stored before %s, and finds it by its id",
  async (name, error) => {
    const stream = `unmarked-${name.replaceAll(" ", "-")}`;
    const client = await connect();
    await faultStream("publish", (publish, call) => {
      void publish(call);
      throw error;
    });

    const unknown = await client.callError("publish", { stream, data: 1, id: "once" });
    vi.restoreAllMocks();
    const repeated = await client.call("publish", { stream, data: 1, id: "once" });

    expect(unknown.code).toBe(OUTCOME_UNKNOWN);
    expect(repeated).toMatchObject({ sequence: 1, duplicate: true });
  },
);

it.each(UNMARKED)("says OutcomeUnknown of an ack that was stored before %s", async (name, error) => {
  const stream = `unmarked-ack-${name.replaceAll(" ", "-")}`;
  const client = await connect();
  await streamWithConsumer(client, stream, 1, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(1);
  await faultStream("applyAcks", (original, epoch, commands) => {
    void original(epoch, commands);
    throw error;
  });

  const unknown = await client.callError("ack", { subscription, sequences: [1] });
  vi.restoreAllMocks();

  expect(unknown.code).toBe(OUTCOME_UNKNOWN);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ ackFloor: 1, inFlight: 0 });
});

it.each(UNMARKED)("says Unavailable of a read that met %s", async (name, error) => {
  const stream = `unmarked-read-${name.replaceAll(" ", "-")}`;
  const client = await connect();
  await faultStream("info", () => {
    throw error;
  });

  expect((await client.callError("getStreamInfo", { stream })).code).toBe(UNAVAILABLE);
});

it("says OutcomeUnknown of a publish that was stored by a stream which then says that it is overloaded", async () => {
  const stream = "overloaded-late";
  const client = await connect();
  await faultStream("publish", (publish, call) => {
    void publish(call);
    throw OVERLOADED;
  });

  const unknown = await client.callError("publish", { stream, data: 1, id: "once" });
  vi.restoreAllMocks();
  const repeated = await client.call("publish", { stream, data: 1, id: "once" });

  expect(unknown.code).toBe(OUTCOME_UNKNOWN);
  expect(repeated).toMatchObject({ sequence: 1, duplicate: true });
});

it.each<[what: string, error: Error, calls: number]>([
  ["overloaded", OVERLOADED, 1],
  [
    "reset for its overload",
    Object.assign(new Error("injected: reset"), { overloaded: true, durableObjectReset: true }),
    1,
  ],
  ["reset", RESET, 2],
])("asks a stream that is %s again at once only where that does not add to its load", async (what, error, calls) => {
  const stream = `asked-${what.replaceAll(" ", "-")}`;
  const client = await connect();
  await streamWithConsumer(client, stream, 1, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(1);
  const asked = { reads: 0, acks: 0 };
  await faultStream("info", () => {
    asked.reads += 1;
    throw error;
  });
  await faultStream("applyAcks", () => {
    asked.acks += 1;
    throw error;
  });

  const codes = [
    (await client.callError("getStreamInfo", { stream })).code,
    (await client.callError("ack", { subscription, sequences: [1] })).code,
  ];

  expect(codes).toEqual([UNAVAILABLE, OUTCOME_UNKNOWN]);
  expect(asked).toEqual({ reads: calls, acks: calls });
});

it.each<[what: string, error: Error]>([
  ["overloaded", OVERLOADED],
  ["reset", RESET],
])("leaves a stream that is %s alone for longer each time, with jitter, until it has answered", async (what, error) => {
  const stream = `left-alone-${what}`;
  const client = await connect();
  await streamWithConsumer(client, stream, 6, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(6);
  // Nearly the most that jitter may make of a pause.
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  const failures = 3;
  const calledAt = { publish: [] as number[], settle: [] as number[] };
  await faultStream("publish", (publish, call) => {
    if (calledAt.publish.push(performance.now()) <= failures) {
      throw error;
    }
    return publish(call);
  });
  await faultStream("applyAcks", (original, epoch, commands) => {
    // One that is reset is asked twice each time.
    const calls = calledAt.settle.push(performance.now());
    if (calls <= (error === RESET ? 2 * failures : failures)) {
      throw error;
    }
    return original(epoch, commands);
  });

  for (let nth = 1; nth <= failures; nth += 1) {
    await client.callError("publish", { stream, data: nth });
  }
  await client.call("publish", { stream, data: "stored" });
  for (let nth = 1; nth <= failures; nth += 1) {
    await client.callError("ack", { subscription, sequences: [nth] });
  }
  await client.call("ack", { subscription, sequences: [4] });

  const settledAt = error === RESET ? calledAt.settle.filter((_at, index) => index % 2 === 0) : calledAt.settle;
  for (const times of [calledAt.publish, settledAt]) {
    const pauses = times.slice(1, failures + 1).map((at, index) => at - (times[index] ?? 0));
    expect(pauses.map((pause, index) => pause > 45 * 2 ** index)).toEqual([true, true, true]);
  }
});

it("calls a fault of its own internal when nothing was sent yet", async () => {
  const client = await connect();
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  vi.spyOn(crypto, "randomUUID").mockImplementationOnce(() => {
    throw new Error("a secret of the server");
  });

  const failed = await client.callError("createUpload", { key: "any" });

  expect([failed.code, failed.message]).toEqual([-32_603, "internal error"]);
  expect(Object.keys(failed.data ?? {})).toEqual(["requestId"]);
  expect(log.mock.calls.flat()).toEqual([expect.stringContaining(JSON.stringify(failed.data?.["requestId"]))]);
});

it("stores nothing of a socket behind a publish that it has to send again, until none of it is open", async () => {
  const stream = "held";
  const [client, other] = await Promise.all([connect(), connect()]);
  await client.call("publish", { stream, data: "before" });
  // On one gateway both go in the same commits; on another one the second's go by themselves.
  const gate = { isReached: false, isReleased: false };
  await faultStream("publish", async (publish, call) => {
    if (gate.isReached) {
      return publish(call);
    }
    gate.isReached = true;
    while (!gate.isReleased) {
      await scheduler.wait(5);
    }
    throw RESET;
  });

  const lost = client.request("publish", { stream, data: "lost" });
  await vi.waitFor(() => expect(gate.isReached).toBe(true), 10_000);
  const behind = [1, 2, 3].map((data) => client.request("publish", { stream, data }));
  const elsewhere = client.request("publish", { stream: `${stream}-2`, data: 1 });
  const others = other.request("publish", { stream, data: "other" });
  // An answer to what was sent last: all of it has come.
  await Promise.all([client.call("getServerInfo", {}), other.call("getServerInfo", {})]);
  gate.isReleased = true;
  const answers = await Promise.all([lost, ...behind, elsewhere, others]);
  const after = await client.call("publish", { stream, data: "after" });
  const { messages } = await client.call("getMessages", { stream });

  expect(answers.map(({ error }) => error?.code)).toEqual([
    OUTCOME_UNKNOWN,
    UNAVAILABLE,
    UNAVAILABLE,
    UNAVAILABLE,
    undefined,
    undefined,
  ]);
  expect(messages.map(({ data }) => data)).toEqual(["before", "other", "after"]);
  expect(after.sequence).toBe(3);
});

it("stores nothing of a batch behind a publish of it that has to be sent again, over HTTP too", async () => {
  const stream = "held-batch";
  const client = await connect();
  let calls = 0;
  await faultStream("publish", (publish, call) => {
    calls += 1;
    if (calls % 2 === 1) {
      throw RESET;
    }
    return publish(call);
  });
  // The call between the two makes a second commit of what is behind it.
  const batch = [
    { jsonrpc: "2.0", id: 1, method: "publish", params: { stream, data: 1 } },
    { jsonrpc: "2.0", id: 2, method: "getServerInfo" },
    { jsonrpc: "2.0", id: 3, method: "publish", params: { stream, data: 2 } },
  ];

  const overHttp = (await post(JSON.stringify(batch))).body;
  calls = 0;
  const onSocket = await client.exchange(JSON.stringify(batch));
  vi.restoreAllMocks();

  const held = [{ error: { code: OUTCOME_UNKNOWN } }, { id: 2, result: {} }, { error: { code: UNAVAILABLE } }];
  expect(overHttp).toMatchObject(held);
  expect(onSocket).toMatchObject(held);
  expect((await client.callError("getStreamInfo", { stream })).code).toBe(-32_003);
});

it("holds what comes while a batch that holds such a publish is not answered", async () => {
  const stream = "held-unanswered";
  const client = await connect();
  await client.call("publish", { stream, data: "before" });
  const gate = { isReached: false, isReleased: false };
  await faultStream("publish", () => {
    throw RESET;
  });
  await faultStream("info", async (info) => {
    gate.isReached = true;
    while (!gate.isReleased) {
      await scheduler.wait(5);
    }
    return info();
  });
  const batch = [
    { jsonrpc: "2.0", id: "lost", method: "publish", params: { stream, data: "lost" } },
    { jsonrpc: "2.0", id: "slow", method: "getStreamInfo", params: { stream } },
  ];

  client.send(JSON.stringify(batch));
  await vi.waitFor(() => expect(gate.isReached).toBe(true), 10_000);
  vi.restoreAllMocks();
  const behind = await client.request("publish", { stream, data: "behind" });
  gate.isReleased = true;
  await client.until(() => client.frames.find((frame) => frame.startsWith("[")), "the batch to be answered");
  const after = await client.call("publish", { stream, data: "after" });

  expect(behind.error?.code).toBe(UNAVAILABLE);
  expect(after.sequence).toBe(2);
});

it("overtakes no publish that was refused as Busy, on any of six sockets that send more than there is room for", async () => {
  const stream = "crowded";
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect()));
  await clients[0]?.call("configureStream", { stream, maxBytes: 1_000_000_000 });
  // A stream that commits keeps up: so none does before one is refused, and it goes on while others still come.
  const release = await holdStream(stream);
  const { promise: whenRefused, resolve: tellRefused } = Promise.withResolvers<void>();

  const publishing = Promise.all(
    clients.map((client) =>
      Promise.all(
        Array.from({ length: 60 }, async (_each, index) => {
          const data = index % 2 === 0 ? `${index} ${"x".repeat(250_000)}` : index;
          const { result, error } = await client.request("publish", { stream, data });
          if (error !== undefined) {
            tellRefused();
          }
          return { sequence: (result as { sequence: number } | undefined)?.sequence, code: error?.code };
        }),
      ),
    ),
  );
  await whenRefused;
  await release();
  const outcomes = await publishing;

  const refused = outcomes.flat().filter(({ code }) => code !== undefined);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set([-32_012, UNAVAILABLE]));
  for (const [socket, ofSocket] of outcomes.entries()) {
    const stored = ofSocket.flatMap(({ sequence }) => sequence ?? []);
    expect(stored, `socket ${socket}`).toEqual(stored.toSorted((a, b) => a - b));
    const firstRefused = ofSocket.findIndex(({ code }) => code !== undefined);
    const overtaking = ofSocket.flatMap(({ sequence }, index) =>
      firstRefused !== -1 && index > firstRefused && sequence !== undefined ? [index] : [],
    );
    expect(overtaking, `socket ${socket}, first refused ${firstRefused}`).toEqual([]);
  }
}, 60_000);
