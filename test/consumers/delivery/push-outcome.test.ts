import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import type { ConsumerPushReply } from "../../../src/internal/consumer-calls.ts";
import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { deliveries, publishMany, streamWithConsumer } from "../../harness/consumers.ts";
import { crash, faultGateway, faultStream } from "../../harness/faults.ts";
import { gatewayOf, range } from "../../harness/objects.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Holds the first push to any gateway, or its answer, until the returned function is called. */
async function holdFirst(what: "push" | "answer"): Promise<() => void> {
  const hold = { isFirst: true, isReleased: false };
  await faultGateway("deliverConsumer", async (original, push) => {
    if (!hold.isFirst) {
      return original(push);
    }
    hold.isFirst = false;
    const answer = what === "answer" ? original(push) : undefined;
    // A promise of the test's can not be awaited in the object: it looks every few milliseconds.
    while (!hold.isReleased) {
      await scheduler.wait(2);
    }
    return answer ?? original(push);
  });
  return () => {
    hold.isReleased = true;
  };
}

/** How many sockets of a gateway are open. */
function openSocketsOf(gateway: DurableObjectStub): Promise<number> {
  return runInDurableObject(gateway, (_gateway, ctx) => ctx.getWebSockets().length);
}

/** Waits until no subscription shares consumer `c` any more. */
async function untilAlone(client: TestClient, stream: string): Promise<void> {
  await expect
    .poll(async () => client.call("getConsumer", { stream, consumer: "c" }))
    .toMatchObject({ subscriptions: 0 });
}

it("sends nothing before the answer that tells the subscription's number", async () => {
  const client = await connect();
  await streamWithConsumer(client, "answers-first", 5);
  const before = client.frames.length;
  // The push is there long before the answer.
  await faultStream("joinConsumer", async (original, call) => {
    const joined = await original(call);
    await scheduler.wait(50);
    return joined;
  });

  const { subscription } = await client.call("subscribe", { stream: "answers-first", consumer: "c" });
  await client.untilMessages(5, subscription);

  expect(client.frames.slice(before).map((frame) => JSON.parse(frame).method)).toEqual([undefined, "messages"]);
});

it("takes back what did not reach its gateway, and delivers it again after the backoff", async () => {
  const client = await connect();
  const stream = "unreached";
  await streamWithConsumer(client, stream, 0, { ackWaitMs: 60_000, backoffMs: [50] });
  await client.call("subscribe", { stream, consumer: "c" });
  let isLost = false;
  await faultGateway("deliverConsumer", (original, push) => {
    if (!isLost) {
      isLost = true;
      throw new Error("a fault injected by a test");
    }
    return original(push);
  });

  await publishMany(client, stream, 2);
  await client.untilMessages(2);

  expect(deliveries(client)).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

it("never buries what perhaps reached nobody, however often its gateway fails", async () => {
  const client = await connect();
  const stream = "unreachable";
  await streamWithConsumer(client, stream, 0, { ackWaitMs: 60_000, backoffMs: [], maxDeliver: 2 });
  await client.call("subscribe", { stream, consumer: "c" });
  let failures = 0;
  await faultGateway("deliverConsumer", (original, push) => {
    if (push.stream === stream && failures < 3) {
      failures += 1;
      throw new Error("a fault injected by a test");
    }
    return original(push);
  });

  await publishMany(client, stream, 20);
  await expect.poll(() => failures).toBe(3);
  await expect.poll(() => client.sequences().length).toBe(20);

  expect(deliveries(client)).toEqual(range(1, 20).map((sequence) => [sequence, 4]));
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ deadLetters: 0, inFlight: 20 });
});

it("does not count what was on its way to a socket that closed meanwhile", async () => {
  const [leaver, stayer] = [await connect(), await connect()];
  const stream = "crosses-close";
  await streamWithConsumer(stayer, stream, 0, { ackWaitMs: 60_000, maxDeliver: 1 });
  await leaver.call("subscribe", { stream, consumer: "c" });
  const letGo = await holdFirst("push");

  await publishMany(stayer, stream, 10);
  leaver.close();
  await untilAlone(stayer, stream);
  letGo();
  await expect
    .poll(async () => stayer.call("getConsumer", { stream, consumer: "c" }))
    .toMatchObject({ inFlight: 0, pending: 10, deadLetters: 0, redelivered: 0 });
  await stayer.call("subscribe", { stream, consumer: "c" });
  await stayer.untilMessages(10);

  expect(deliveries(stayer)).toEqual(range(1, 10).map((sequence) => [sequence, 1]));
});

it("counts what a socket was sent before it closed, however late that is known", async () => {
  const [leaver, stayer] = [await connect(), await connect()];
  const stream = "sent-before-close";
  await streamWithConsumer(stayer, stream, 0, { ackWaitMs: 60_000, maxDeliver: 2 });
  await leaver.call("subscribe", { stream, consumer: "c" });
  const letGo = await holdFirst("answer");

  await publishMany(stayer, stream, 10);
  await leaver.untilMessages(10);
  leaver.close();
  await untilAlone(stayer, stream);
  letGo();
  await stayer.call("subscribe", { stream, consumer: "c" });
  await stayer.untilMessages(10);

  expect(deliveries(stayer)).toEqual(range(1, 10).map((sequence) => [sequence, 2]));
});

it("takes what a subscription acked before it left, though its stream finds it gone before that is stored", async () => {
  const [leaver, stayer] = [await connect(), await connect()];
  const stream = "acked-and-left";
  await streamWithConsumer(stayer, stream, 10, { ackWaitMs: 60_000 });
  const gateway = await gatewayOf(leaver);
  const { subscription } = await leaver.call("subscribe", { stream, consumer: "c" });
  await leaver.untilMessages(10);
  const acks = { calls: 0, mayGo: false };
  await faultStream("applyAcks", async (original, ...call) => {
    acks.calls += 1;
    while (!acks.mayGo) {
      await scheduler.wait(2);
    }
    return original(...call);
  });
  const pushes: { holder: string; reply?: ConsumerPushReply }[] = [];
  await faultGateway("deliverConsumer", async (original, push) => {
    const seen: (typeof pushes)[number] = { holder: push.batches[0]?.holder ?? "" };
    // There may be some of tests before.
    if (push.stream === stream) {
      pushes.push(seen);
    }
    seen.reply = await original(push);
    return seen.reply;
  });

  range(1, 10).forEach((sequence) => leaver.notify("ack", { subscription, sequences: [sequence] }));
  await expect.poll(() => acks.calls).toBe(1);
  const openSockets = await openSocketsOf(gateway);
  leaver.close();
  await expect.poll(() => openSocketsOf(gateway)).toBe(openSockets - 1);
  await stayer.call("publish", { stream, data: "behind it" });
  await expect.poll(() => pushes).toHaveLength(1);
  const [push] = pushes;
  const answers: string[][] = [];
  const asking = gateway.unknownHolders([push?.holder ?? ""]).then((unknown) => void answers.push(unknown));
  const meanwhile = await stayer.call("getConsumer", { stream, consumer: "c" });
  const answered = { push: push?.reply, answers: [...answers] };
  acks.mayGo = true;
  await asking;
  await untilAlone(stayer, stream);

  expect(answered).toEqual({ push: undefined, answers: [] });
  expect(meanwhile.subscriptions).toBe(1);
  expect([push?.reply, ...answers]).toEqual([[push?.holder], [push?.holder]]);
  expect(await stayer.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ ackFloor: 10, redelivered: 0 });
});

it("repeats a settlement whose call was lost with its stream, before and after it was stored", async () => {
  const client = await connect();
  const stream = "settles-twice";
  await streamWithConsumer(client, stream, 4, { ackWaitMs: 60_000, maxDeliver: 2 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(4);
  let calls = 0;
  await faultStream("applyAcks", async function applyAcks(original, ...call) {
    calls += 1;
    const isLost = calls % 2 === 1;
    const unknown = calls === 1 ? [] : await original(...call);
    return isLost ? crash(this) : unknown;
  });

  await client.call("ack", { subscription, sequences: [1, 2] });
  await client.call("term", { subscription, sequences: [3] });
  const info = await client.call("getConsumer", { stream, consumer: "c" });

  expect(calls).toBe(4);
  expect(info).toMatchObject({ ackFloor: 3, inFlight: 1, pending: 0, deadLetters: 1 });
});
