import { env } from "cloudflare:workers";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { BindingDelivery, DurableStreamsBinding } from "../../rpc/index.ts";
import { crash, faultGateway, faultStream } from "../harness/faults.ts";
import { evict, range } from "../harness/objects.ts";
import { binding, failure } from "../harness/service.ts";

const streams = binding();
const PATIENCE = { timeout: 15_000, interval: 5 };

afterEach(() => {
  vi.restoreAllMocks();
});

/** Subscribes, and disposes of the subscription's stub after the test: what is left of it would be told by the runtime. */
async function subscribe(...call: Parameters<DurableStreamsBinding["subscribe"]>) {
  const subscribed = await streams.subscribe(...call);
  onTestFinished(() => (subscribed as unknown as Disposable)[Symbol.dispose]());
  return subscribed;
}

/** A handler that keeps what it is called with. */
function recorder(each: (delivery: BindingDelivery) => void | Promise<void> = () => undefined) {
  const deliveries: BindingDelivery[] = [];
  const handler = async (delivery: BindingDelivery): Promise<void> => {
    deliveries.push(delivery);
    await each(delivery);
  };
  const sequences = (): number[] => deliveries.flatMap(({ messages }) => messages.map(({ sequence }) => sequence));
  const untilSequences = (expected: number[]): Promise<void> =>
    vi.waitFor(() => expect(sequences()).toEqual(expected), PATIENCE);
  return { deliveries, handler, sequences, untilSequences };
}

async function publishMany(stream: string, count: number): Promise<void> {
  await streams.publishBatch({ stream, messages: Array.from({ length: count }, (_, index) => ({ data: index })) });
}

it("follows from where it is asked to, live and in order", async () => {
  const stream = "service-follow";
  await publishMany(stream, 300);
  const heard = recorder();

  const { subscription, ...start } = await subscribe({ stream, from: { sequence: 11 } }, heard.handler);
  for (let count = 0; count < 20; count += 1) {
    await streams.publish({ stream, data: count });
  }

  expect(start).toMatchObject({ stream, nextSequence: 11, lastSequence: 300 });
  await heard.untilSequences(range(11, 320));
  await subscription.unsubscribe();
  expect(await subscription.whenClosed()).toEqual({ reason: "unsubscribed" });
});

it("calls the handler once at a time", async () => {
  const stream = "service-one";
  const gate = Promise.withResolvers<void>();
  const slow = recorder(() => gate.promise);
  const other = recorder();
  const followed = await Promise.all([slow, other].map(({ handler }) => subscribe({ stream }, handler)));
  await streams.publish({ stream, data: 1 });
  await slow.untilSequences([1]);

  await streams.publish({ stream, data: 2 });
  await streams.publish({ stream, data: 3 });
  await other.untilSequences([1, 2, 3]);
  expect(slow.sequences()).toEqual([1]);
  gate.resolve();

  await slow.untilSequences([1, 2, 3]);
  await Promise.all(followed.map(({ subscription }) => subscription.unsubscribe()));
});

it("is not sent more than the window while its handler has not returned", async () => {
  const stream = "service-slow";
  await publishMany(stream, 10);
  const gate = Promise.withResolvers<void>();
  const heard = recorder(() => gate.promise);

  const { subscription } = await subscribe({ stream, maxInFlight: 2 }, heard.handler);
  await heard.untilSequences([1, 2]);
  await publishMany(stream, 1);
  expect(heard.sequences()).toEqual([1, 2]);
  gate.resolve();

  await heard.untilSequences(range(1, 11));
  await subscription.unsubscribe();
});

/** Takes the gateway down that is next to get a push, as often as it is told to. */
async function crashGateways() {
  const crashes = { done: 0, wanted: 0 };
  await faultGateway("deliver", function (original, push) {
    if (crashes.done < crashes.wanted) {
      crashes.done += 1;
      crash(this);
    }
    return original(push);
  });
  return crashes;
}

it("misses and repeats nothing when its gateway crashes, as often as it does", async () => {
  const stream = "service-crash";
  const heard = recorder();
  await publishMany(stream, 5);
  const { subscription } = await subscribe({ stream, from: "new" }, heard.handler);
  await publishMany(stream, 5);
  await heard.untilSequences(range(6, 10));

  const crashes = await crashGateways();
  for (const round of [1, 2, 3]) {
    crashes.wanted = round;
    await publishMany(stream, 5);
    await heard.untilSequences(range(6, 10 + round * 5));
    expect(crashes.done).toBe(round);
  }
  await subscription.unsubscribe();
});

it("tells what was deleted while its connection was lost", async () => {
  const stream = "service-skipped";
  const gate = Promise.withResolvers<void>();
  const heard = recorder(() => gate.promise);
  const { subscription } = await subscribe({ stream }, heard.handler);
  await publishMany(stream, 1);
  await heard.untilSequences([1]);
  const crashes = await crashGateways();

  crashes.wanted = 1;
  await publishMany(stream, 4);
  await vi.waitFor(() => expect(crashes.done).toBe(1), PATIENCE);
  await streams.deleteMessages({ stream, through: 4 });
  gate.resolve();

  await heard.untilSequences([1, 5]);
  expect(heard.deliveries[1]).toEqual({ messages: [], gap: { from: 2, to: 4, reason: "skipped" } });
  await subscription.unsubscribe();
});

it("goes on when stream and gateway were evicted: neither holds a callback", async () => {
  const stream = "service-evicted";
  const heard = recorder();
  const { subscription } = await subscribe({ stream }, heard.handler);
  await publishMany(stream, 1);
  await heard.untilSequences([1]);

  await evict(env.STREAM.getByName(stream));
  for (const shard of [0, 1]) {
    await evict(env.GATEWAY.getByName(`service-${shard}`));
  }
  await publishMany(stream, 1);

  await heard.untilSequences([1, 2]);
  await subscription.unsubscribe();
});

it("tells what was deleted while its handler was behind", async () => {
  const stream = "service-gap";
  await publishMany(stream, 10);
  const gate = Promise.withResolvers<void>();
  const heard = recorder(() => gate.promise);
  const { subscription } = await subscribe({ stream, maxInFlight: 4 }, heard.handler);
  await heard.untilSequences(range(1, 4));

  await streams.deleteMessages({ stream, through: 8 });
  gate.resolve();

  await heard.untilSequences([...range(1, 4), 9, 10]);
  expect(heard.deliveries.filter(({ gap }) => gap !== undefined)).toEqual([
    { messages: [], gap: { from: 5, to: 8, reason: "trimmed" } },
  ]);
  await subscription.unsubscribe();
});

it("shares a consumer's messages, and acks those that its handler is done with", async () => {
  const at = { stream: "service-consumer", consumer: "workers" };
  await streams.createConsumer(at);
  const [first, second] = [recorder(), recorder()];
  const followed = await Promise.all([
    subscribe({ ...at, maxInFlight: 2 }, first.handler),
    subscribe({ ...at, maxInFlight: 2 }, second.handler),
  ]);

  await publishMany(at.stream, 20);

  await vi.waitFor(async () => expect(await streams.getConsumer(at)).toMatchObject({ ackFloor: 20 }), PATIENCE);
  expect([...first.sequences(), ...second.sequences()].toSorted((a, b) => a - b)).toEqual(range(1, 20));
  expect(first.deliveries[0]?.messages[0]).toMatchObject({ deliveryCount: 1 });
  await streams.deleteConsumer(at);
  for (const { subscription } of followed) {
    expect(await subscription.whenClosed()).toEqual({ reason: "consumerDeleted" });
  }
});

it("ends with a consumer that is deleted with its stream", async () => {
  const at = { stream: "service-consumer-deleted", consumer: "workers" };
  await streams.createConsumer(at);
  const { subscription } = await subscribe(at, () => undefined);

  await streams.deleteStream({ stream: at.stream });

  expect(await subscription.whenClosed()).toEqual({ reason: "streamDeleted" });
});

it("follows a stream that is deleted into its next epoch, and tells that it is another", async () => {
  const stream = "service-deleted";
  const heard = recorder();
  const { subscription } = await subscribe({ stream }, heard.handler);
  await publishMany(stream, 2);
  await heard.untilSequences([1, 2]);

  await streams.deleteStream({ stream });
  const { epoch } = await streams.publish({ stream, data: "another" });
  await heard.untilSequences([1, 2, 1]);
  expect(heard.deliveries.slice(-2)).toMatchObject([
    { messages: [], epochChanged: { epoch, reason: "deleted" } },
    { messages: [{ sequence: 1, data: "another" }] },
  ]);

  // Also where nobody has made it again yet.
  await streams.deleteStream({ stream });
  await vi.waitFor(
    () => expect(heard.deliveries.filter(({ epochChanged }) => epochChanged !== undefined)).toHaveLength(2),
    PATIENCE,
  );
  await publishMany(stream, 1);
  await heard.untilSequences([1, 2, 1, 1]);
  await subscription.unsubscribe();
});

it("begins at the position of an earlier epoch with the word that it is over", async () => {
  const stream = "service-earlier";
  const { epoch } = await streams.publish({ stream, data: 1 });
  const heard = recorder();

  const position = { epoch: `${epoch}x`, from: { sequence: 7 } };
  const { subscription, ...start } = await subscribe({ stream, ...position }, heard.handler);

  expect(start).toMatchObject({ epoch, nextSequence: 1 });
  await heard.untilSequences([1]);
  expect(heard.deliveries[0]).toEqual({ messages: [], epochChanged: { epoch, reason: "deleted" } });
  await subscription.unsubscribe();
});

it("begins where its stream is lost while it answers", async () => {
  const stream = "service-begin";
  await publishMany(stream, 1);
  const heard = recorder();
  let crashes = 0;
  await faultStream("follow", function (original, ...args) {
    if (crashes < 2) {
      crashes += 1;
      crash(this);
    }
    return original(...args);
  });

  const { subscription, ...start } = await subscribe({ stream }, heard.handler);

  expect(start).toMatchObject({ nextSequence: 1, lastSequence: 1 });
  await heard.untilSequences([1]);
  await subscription.unsubscribe();
});

it("calls a handler of a stream that throws again, for the same messages", async () => {
  const stream = "service-throws-twice";
  let failures = 0;
  const heard = recorder(({ messages }) => {
    if (failures < 2 && messages.some(({ sequence }) => sequence === 2)) {
      failures += 1;
      throw new Error("thrown by the handler");
    }
  });
  const { subscription } = await subscribe({ stream }, heard.handler);

  await publishMany(stream, 1);
  await heard.untilSequences([1]);
  await publishMany(stream, 1);
  await publishMany(stream, 1);

  await vi.waitFor(() => expect(heard.sequences().at(-1)).toBe(3), PATIENCE);
  expect(failures).toBe(2);
  expect(heard.deliveries[1]).toEqual(heard.deliveries[2]);
  expect(new Set(heard.sequences())).toEqual(new Set([1, 2, 3]));
  await subscription.unsubscribe();
});

it("gives back only the message that a consumer's handler throws for, and goes on", async () => {
  const at = { stream: "service-poison", consumer: "workers" };
  await streams.createConsumer({ ...at, maxDeliver: 2, backoffMs: [1] });
  await publishMany(at.stream, 10);
  const done: number[] = [];
  const heard = recorder(({ messages }) => {
    if (messages.some(({ sequence }) => sequence === 3)) {
      throw new Error("thrown by the handler");
    }
    done.push(...messages.map(({ sequence }) => sequence));
  });

  const { subscription } = await subscribe(at, heard.handler);

  await vi.waitFor(
    async () => expect(await streams.getConsumer(at)).toMatchObject({ deadLetters: 1, ackFloor: 10 }),
    PATIENCE,
  );
  expect(heard.deliveries[0]?.messages).toHaveLength(10);
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, ...range(4, 10)]);
  expect(await streams.getDeadLetters(at)).toMatchObject({ deadLetters: [{ sequence: 3, deliveries: 2 }] });
  await publishMany(at.stream, 1);
  await vi.waitFor(() => expect(done.at(-1)).toBe(11), PATIENCE);
  await subscription.unsubscribe();
});

it("gives back without counting a message whose handler fails as the caller lets go", async () => {
  const at = { stream: "service-poison-gone", consumer: "workers" };
  await streams.createConsumer({ ...at, maxDeliver: 1 });
  await publishMany(at.stream, 1);
  const gone = recorder(() => {
    throw new Error("thrown by the handler");
  });
  const { subscription } = await subscribe(at, gone.handler);
  await gone.untilSequences([1]);

  (subscription as unknown as Disposable)[Symbol.dispose]();

  const next = recorder();
  const after = await subscribe(at, next.handler);
  await next.untilSequences([1]);
  await vi.waitFor(
    async () => expect(await streams.getConsumer(at)).toMatchObject({ deadLetters: 0, ackFloor: 1 }),
    PATIENCE,
  );
  await after.subscription.unsubscribe();
});

it("is over when the handler throws five times for the same, and calls it no more", async () => {
  const stream = "service-throws";
  const heard = recorder(() => {
    throw new Error("thrown by the handler");
  });
  const { subscription } = await subscribe({ stream }, heard.handler);

  await publishMany(stream, 1);

  expect(await subscription.whenClosed()).toEqual({ reason: "handlerFailed" });
  await publishMany(stream, 1);
  expect(heard.sequences()).toEqual([1, 1, 1, 1, 1]);
  // Its socket is closed too.
  await vi.waitFor(async () => {
    await publishMany(stream, 1);
    expect(await streams.getStreamInfo({ stream })).toMatchObject({ gateways: 0 });
  }, PATIENCE);
});

it("closes its socket when the caller lets go", async () => {
  const stream = "service-dispose";
  const heard = recorder();
  const { subscription } = await subscribe({ stream }, heard.handler);
  await publishMany(stream, 1);
  await heard.untilSequences([1]);

  (subscription as unknown as Disposable)[Symbol.dispose]();

  // A gateway without a follower says so at the next push, and its lease ends.
  await vi.waitFor(async () => {
    await publishMany(stream, 1);
    expect(await streams.getStreamInfo({ stream })).toMatchObject({ gateways: 0 });
  }, PATIENCE);
  expect(heard.sequences()).toEqual([1]);
});

it("refuses what a socket is refused", async () => {
  await streams.publish({ stream: "service-refused", data: 1 });

  expect(
    await failure(streams.subscribe({ stream: "service-refused", consumer: "none" }, () => undefined)),
  ).toMatchObject({ code: ErrorCode.NotFound, data: { what: "consumer" } });
  expect(await failure(streams.subscribe({ stream: ".hidden" }, () => undefined))).toMatchObject({
    code: ErrorCode.InvalidParams,
    data: { issues: [{ path: "stream" }] },
  });
  expect(
    await failure(streams.subscribe({ stream: "service-refused" }, "no handler" as unknown as () => void)),
  ).toMatchObject({ code: ErrorCode.InvalidParams });
});
