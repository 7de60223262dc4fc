import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { connect } from "../client.ts";
import { streamWithConsumer } from "../consumers.ts";
import { crash, faultStream } from "../faults.ts";

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
}, 30_000);

it("says OutcomeUnknown of an ack that was stored, when its reply is lost and the repeated call is refused", async () => {
  const stream = "crashes-settle";
  const client = await connect();
  await streamWithConsumer(client, stream, 1, { ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(1);
  let calls = 0;
  await faultStream("settle", (settle, epoch, settlements) => {
    calls += 1;
    if (calls > 1) {
      throw OVERLOADED;
    }
    settle(epoch, settlements);
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
  await faultStream("settle", async (settle, epoch, settlements) => {
    const call = calls.push(settlements.map(({ kind }) => kind));
    while (!gate.isReleased) {
      await scheduler.wait(10);
    }
    const unknown = settle(epoch, settlements);
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
  await faultStream("settle", async (settle, epoch, settlements) => {
    gate.calls += 1;
    while (!gate.isReleased) {
      await scheduler.wait(10);
    }
    return settle(epoch, settlements);
  });
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
  expect(tookMs).toBeLessThan(LIMITS.requestDeadlineMs * 1.5);
  // What nobody waits for any more is stored all the same, once it can be.
  const info = () => client.call("getConsumer", { stream, consumer: "c" });
  await vi.waitFor(async () => expect(await info()).toMatchObject({ ackFloor: 2 }), 5_000);
}, 45_000);

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

  expect([failed.code, Object.keys(failed.data ?? {})]).toEqual([-32_603, ["requestId"]]);
  expect(failed.message).toBe("internal error");
  expect(state).toEqual({ epoch: expect.any(String), state: "old", revision: 1 });
  expect([info.firstSequence, info.lastSequence, info.messages]).toEqual([1, 2, 2]);
});
