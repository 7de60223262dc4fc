import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import { Share } from "../../src/platform/isolate-budget.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, gatewayOf } from "../harness/objects.ts";
import { holdStream } from "../harness/hold.ts";
import { request } from "../harness/http.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("a socket", () => {
  it("has 64 requests with large answers in flight; one more is Busy, others are not, and every answer makes room", async () => {
    const client = await connect();
    const other = await connect();
    const stream = "in-flight";
    const release = await holdStream(stream);
    const waiting = Array.from({ length: 64 }, () => client.request("getState", { stream }));

    const busy = await client.callError("getMessages", { stream: "in-flight-other" });
    const small = await client.call("getServerInfo", {});
    const elsewhere = await other.call("getState", { stream: "in-flight-other" });
    await release();
    const answers = await Promise.all(waiting);
    const after = await client.call("getState", { stream });

    expect(busy).toMatchObject({ code: ErrorCode.Busy, data: { what: "largeAnswersInFlight", limit: 64 } });
    expect(answers.every(({ error }) => error === undefined)).toBe(true);
    expect([small.name, elsewhere.revision, after.revision]).toEqual(["durable-stream", 0, 0]);
  });

  it("has 4,096 requests in flight, those of batches counted one by one", async () => {
    const client = await connect();
    const stream = "in-flight-batch";
    const release = await holdStream(stream);
    fillRequests(client, stream, 4_090);
    client.send(batchOf(stream, 20));

    const busy = await client.callError("getServerInfo", {});
    // Not looked at: neither is it told what is wrong with its params.
    const unread = await client.callError("getStreamInfo", { stream: 5 });
    await release();

    const batches = await untilBatches(client, 10);
    const refused = batches.map((answers) => answers.filter(({ error }) => error !== undefined).length);
    expect(busy).toMatchObject({ code: ErrorCode.Busy, data: { what: "requestsInFlight", limit: 4_096 } });
    expect(unread).toEqual(busy);
    expect(refused.toSorted((a, b) => a - b)).toEqual([...Array(9).fill(0), 14]);
    expect(await client.call("getStreamInfo", { stream })).toMatchObject({ lastSequence: 4_096 });
  });

  it("has 8 MiB of requests in flight; what is beyond is Busy, and every answer makes room", async () => {
    const client = await connect();
    const stream = "in-flight-bytes";
    const release = await holdStream(stream);
    const state = "x".repeat(250_000);
    const waiting = Array.from({ length: 33 }, () => client.request("putState", { stream, state }));

    const busy = await client.callError("putState", { stream, state });
    await release();
    const answers = await Promise.all(waiting);
    const after = await client.request("putState", { stream, state });

    expect(busy).toMatchObject({ code: ErrorCode.Busy, data: { what: "requestBytesInFlight", limit: 8_388_608 } });
    expect([...answers, after].map(({ error }) => error)).toEqual(Array(34).fill(undefined));
  });

  it("makes room when it refuses a request at once, too", async () => {
    const client = await connect();
    const text = "x".repeat(900_000);

    const refused: number[] = [];
    for (let sent = 0; sent * text.length <= LIMITS.requestBytesInFlight; sent += 1) {
      const { code } = await client.callError("none", { text });
      refused.push(code);
    }
    const after = await client.call("getServerInfo", {});

    expect(refused).toEqual(refused.map(() => ErrorCode.MethodNotFound));
    expect(after.name).toBe("durable-stream");
  });

  it("takes an ack however many requests are in flight", async () => {
    const client = await connect();
    const stream = "ack-when-busy";
    await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
    const { subscription } = await client.call("subscribe", { stream, maxInFlight: 1 });
    await client.untilMessages(1);
    const release = await holdStream("ack-when-busy-held");
    fillRequests(client, "ack-when-busy-held", 4_096);
    await client.callError("getServerInfo", {});

    client.notify("ack", { subscription, through: 1 });
    const received = await client.untilMessages(2);
    await release();
    await untilBatches(client, 9);

    expect(received).toEqual([1, 2]);
  });

  it("has 100 subscriptions", async () => {
    const client = await connect();
    const stream = "subscriptions";
    for (let opened = 0; opened < 100; opened += 50) {
      await Promise.all(Array.from({ length: 50 }, () => client.call("subscribe", { stream })));
    }

    const refused = await client.callError("subscribe", { stream });
    await client.call("unsubscribe", { subscription: 1 });
    const { subscription } = await client.call("subscribe", { stream });

    expect(refused).toMatchObject({ code: ErrorCode.LimitReached, data: { what: "subscriptions", limit: 100 } });
    expect(subscription).toBe(101);
  });

  it("has 100 subscriptions also when it asks for all at once", async () => {
    const client = await connect();
    const stream = "subscriptions-at-once";
    await Promise.all(Array.from({ length: 60 }, () => client.call("subscribe", { stream })));

    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => client.call("subscribe", { stream })));

    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(40);
  });

  it("may have 10,000 messages of a subscription in flight", async () => {
    const client = await connect();
    const stream = "max-in-flight";

    const most = await client.request("subscribe", { stream, maxInFlight: 10_000 });
    const more = await client.callError("subscribe", { stream, maxInFlight: 10_001 });

    expect(most.error).toBeUndefined();
    expect(more).toMatchObject({ code: ErrorCode.InvalidParams, data: { issues: [{ path: "maxInFlight" }] } });
  });
});

it("lets a gateway hold 16 MiB that wait to be published; what is beyond is Busy and not stored", async () => {
  const clients = await connectTogether();
  const [client, other] = clients;
  const stream = "publish-queue";
  const release = await holdStream(stream);
  const data = "x".repeat(262_134);

  const waiting = clients.flatMap((each) =>
    Array.from({ length: 16 }, () => each.request("publish", { stream, data })),
  );
  const fits = await client.call("getServerInfo", {});
  await Promise.all(clients.map((each) => each.call("getServerInfo", {})));
  const busy = await other.callError("publish", { stream, data });
  await release();
  const answers = await Promise.all(waiting);

  expect(fits.limits["publishQueueBytes"]).toBe(16_777_216);
  expect(busy).toMatchObject({ code: ErrorCode.Busy, data: { limit: 16_777_216 } });
  const stored = answers.filter(({ error }) => error === undefined).length;
  // The stream of 8 MiB is full before the queue is empty.
  expect(answers.filter(({ error }) => error?.code === ErrorCode.StorageFull)).toHaveLength(64 - stored);
  expect((await client.call("getStreamInfo", { stream })).messages).toBe(stored);
});

it("counts frames that wait behind a batch among the 16 MiB, and stores no publish behind one that was Busy", async () => {
  const [first, second, last] = await connectTogether();
  const clients = [first, second, last];
  const [stream, held] = ["publish-queue-frames", "publish-queue-held"];
  await last.call("configureStream", { stream, maxBytes: 500_000_000 });
  await last.call("publish", { stream: held, data: 0 });
  const release = await holdStream(held);
  const messages = Array.from({ length: 4 }, () => ({ data: "x".repeat(250_000) }));
  const blocked = [callOf(1000, "getStreamInfo", { stream: held }), callOf(1001, "publish", { stream, data: 1 })];

  const large: ReturnType<typeof last.request>[] = [];
  for (const client of clients) {
    client.send(JSON.stringify(blocked));
    large.push(...Array.from({ length: 7 }, () => client.request("publishBatch", { stream, messages })));
    await client.call("getServerInfo", {});
  }
  const refused = await Promise.all(large.slice(16));
  const behind = last.request("publish", { stream, data: 2 });
  const elsewhere = last.request("publish", { stream: `${stream}-other`, data: 3 });
  await release();

  const busy = { code: ErrorCode.Busy, data: { limit: LIMITS.publishQueueBytes } };
  expect(refused).toMatchObject(Array.from({ length: 5 }, () => ({ error: busy })));
  expect((await Promise.all(large.slice(0, 16))).map(({ error }) => error)).toEqual(Array(16).fill(undefined));
  expect((await behind).error?.code).toBe(ErrorCode.Unavailable);
  expect((await elsewhere).error).toBeUndefined();
  // All of them are answered: what follows is stored, and there is room for it.
  const after = await Promise.all(
    clients.flatMap((client) => Array.from({ length: 5 }, () => client.request("publishBatch", { stream, messages }))),
  );
  expect(after.map(({ error }) => error)).toEqual(Array(15).fill(undefined));
  expect((await last.call("getStreamInfo", { stream })).messages).toBe(3 + (16 + 15) * 4);
});

// Each is less than a megabyte of text, and some ten in memory.
it.for([
  ["empty objects", 4, 75_000, () => ({})],
  ["objects with a key of their own", 5, 18_000, (index: number) => ({ [`k${index.toString(36)}`]: 1 })],
] as const)(
  "counts frames of %s as they are in memory: what the isolate has no room for is Busy, and small calls are not",
  async ([kind, frames, objects, objectOf]) => {
    const clients = await connectTogether();
    const [client, other] = clients;
    const stream = `frames-in-memory-${kind.replaceAll(" ", "-")}`;
    const release = await holdStream(stream);
    const messages = Array.from({ length: 4 }, (_, message) => ({
      data: Array.from({ length: objects }, (_object, index) => objectOf(message * objects + index)),
    }));
    const held = Array.from({ length: frames }, (_, frame) =>
      (frame % 2 === 0 ? client : other).request("publishBatch", { stream, messages }),
    );
    await Promise.all(clients.map((each) => each.call("getServerInfo", {})));

    const busy = await other.callError("getMessages", { stream: `${stream}-other`, messages });
    const small = await other.call("getServerInfo", {});
    await release();
    const answers = await Promise.all(held);
    const after = await other.callError("getMessages", { stream: `${stream}-other`, messages });

    expect(busy).toMatchObject({ code: ErrorCode.Busy, data: { what: "isolateBytes" } });
    expect(small.name).toBe("durable-stream");
    expect(answers.map(({ error }) => error)).toEqual(Array(frames).fill(undefined));
    expect(after.code).toBe(ErrorCode.InvalidParams);
  },
);

it("has room for publishes while large answers have all that they may", async () => {
  const client = await connect();
  const stream = "room-to-publish";
  await client.call("publish", { stream, data: 1 });
  const holding = new Share();
  onTestFinished(() => holding.set(0));
  // What is left would be enough for a page while it is made.
  holding.take((LIMITS.isolateBytes * 5) / 6);

  const page = client.request("getMessages", { stream });
  const published = await client.exchange(
    JSON.stringify([1, 2].map((data) => callOf(1_000 + data, "publish", { stream, data }))),
  );
  holding.set(0);

  expect(published).toMatchObject([{ result: { sequence: 2 } }, { result: { sequence: 3 } }]);
  expect((await page).result).toMatchObject({ lastSequence: 3 });
});

it("goes on with large answers when the clock has gone back", async () => {
  const client = await connect();
  const stream = "clock";
  await client.call("publish", { stream, data: 1 });

  vi.setSystemTime(Date.now() + 3_600_000);
  await client.call("getMessages", { stream });
  vi.useRealTimers();
  const answers = await Promise.all(Array.from({ length: 30 }, () => client.request("getMessages", { stream })));

  expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
});

describe("an idle socket", () => {
  it("is answered pong by the runtime, which wakes nobody", async () => {
    const raw = await openRaw();
    await evict(await raw.gateway());

    raw.ws.send("ping");
    const pong = await raw.next();
    const pongAt = Date.now();
    await vi.waitUntil(() => Date.now() > pongAt, { interval: 1 });
    const { connection } = await raw.info();

    expect(pong).toBe("pong");
    expect(connection.gatewayStartedAt).toBeGreaterThan(pongAt);
  });

  it("is closed at the next alarm of its gateway when it has pinged and then been silent for 75 s", async () => {
    const raw = await openRaw();
    const gateway = await raw.gateway();
    raw.ws.send("ping");
    await raw.next();
    await runInDurableObject(gateway, (_instance, { storage }) => storage.setAlarm(Date.now() + 3_600_000));

    vi.setSystemTime(Date.now() + LIMITS.idleCloseMs - 5_000);
    await runDurableObjectAlarm(gateway);
    const isOpen = raw.ws.readyState === WebSocket.OPEN;
    vi.setSystemTime(Date.now() + 10_000);
    await runInDurableObject(gateway, (_instance, { storage }) => storage.setAlarm(Date.now() + 3_600_000));
    await runDurableObjectAlarm(gateway);

    expect(isOpen).toBe(true);
    expect((await raw.closed).code).toBe(4408);
  });

  it("is looked for within 75 s of a consumer's message, whose share it would go on taking", async () => {
    const client = await connect();
    const stream = "silent-worker";
    await client.call("publish", { stream, data: 1 });
    await client.call("createConsumer", { stream, consumer: "workers" });

    await client.call("subscribe", { stream, consumer: "workers" });
    await client.untilMessages(1);
    const alarmAt = await runInDurableObject(await gatewayOf(client), (_instance, { storage }) => storage.getAlarm());

    expect(alarmAt).toBeLessThanOrEqual(Date.now() + LIMITS.idleCloseMs);
  });

  it("is closed also by a gateway that slept meanwhile", async () => {
    const raw = await openRaw();
    const gateway = await raw.gateway();
    raw.ws.send("ping");
    await raw.next();

    await evict(gateway);
    vi.setSystemTime(Date.now() + LIMITS.idleCloseMs + 5_000);
    await runInDurableObject(gateway, (_instance, { storage }) => storage.setAlarm(Date.now() + 3_600_000));
    await runDurableObjectAlarm(gateway);

    expect((await raw.closed).code).toBe(4408);
  });

  it("stays open when it was heard otherwise before its gateway slept", async () => {
    const raw = await openRaw();
    const gateway = await raw.gateway();
    raw.ws.send("ping");
    await raw.next();

    vi.setSystemTime(Date.now() + LIMITS.idleCloseMs + 5_000);
    await raw.info();
    await evict(gateway);
    await runInDurableObject(gateway, (_instance, { storage }) => storage.setAlarm(Date.now() + 3_600_000));
    await runDurableObjectAlarm(gateway);

    expect((await raw.info()).connection.gateway).toMatch(/^local-/);
  });

  it("stays open when it pings no more but is heard otherwise", async () => {
    const raw = await openRaw();
    const gateway = await raw.gateway();
    raw.ws.send("ping");
    await raw.next();

    vi.setSystemTime(Date.now() + LIMITS.idleCloseMs + 5_000);
    await raw.info();
    await runInDurableObject(gateway, (_instance, { storage }) => storage.setAlarm(Date.now() + 3_600_000));
    await runDurableObjectAlarm(gateway);

    expect((await raw.info()).connection.gateway).toMatch(/^local-/);
  });

  it("stays open when it has never pinged", async () => {
    const client = await connect();
    const gateway = await gatewayOf(client);
    await runInDurableObject(gateway, (_instance, { storage }) => storage.setAlarm(Date.now() + 3_600_000));

    vi.setSystemTime(Date.now() + 3_600_000);
    await runDurableObjectAlarm(gateway);

    expect((await client.call("getServerInfo", {})).name).toBe("durable-stream");
  });
});

function callOf(id: number, method: string, params: object): object {
  return { jsonrpc: "2.0", id, method, params };
}

/** Two sockets of one gateway. */
/** Four sockets of one gateway. */
async function connectTogether(): Promise<[TestClient, TestClient, TestClient, TestClient]> {
  const client = await connect();
  const { name } = await gatewayOf(client);
  const next = async (): Promise<TestClient> => {
    const other = await connect();
    if ((await gatewayOf(other)).name === name) {
      return other;
    }
    other.close();
    return next();
  };
  return [client, await next(), await next(), await next()];
}

/** Sends batches that wait for the stream, with so many requests together. */
function fillRequests(client: TestClient, stream: string, requests: number): void {
  for (let left = requests; left > 0; left -= LIMITS.batchCalls) {
    client.send(batchOf(stream, Math.min(left, LIMITS.batchCalls)));
  }
}

/** The answers to so many batches. */
function untilBatches(client: TestClient, batches: number) {
  return client.until(() => {
    const arrays = client.frames.filter((frame) => frame.startsWith("["));
    return arrays.length === batches ? arrays.map((frame): { error?: object }[] => JSON.parse(frame)) : undefined;
  }, "the batches to be answered");
}

function batchOf(stream: string, calls: number): string {
  return JSON.stringify(Array.from({ length: calls }, (_, id) => callOf(id, "publish", { stream, data: id })));
}

/** A socket whose frames are taken as they come, JSON or not. */
async function openRaw() {
  const headersOfSocket = { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" };
  const { webSocket: ws } = await request("/rpc", { headers: headersOfSocket });
  if (ws === null) {
    throw new Error("the handshake was refused");
  }
  const next = () =>
    new Promise<string>((resolve) => {
      ws.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
    });
  const closed = new Promise<CloseEvent>((resolve) => {
    ws.addEventListener("close", resolve, { once: true });
  });
  ws.accept();
  const info = async () => {
    const answer = next();
    ws.send('{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}');
    const { result }: { result: { connection: { gateway: string; gatewayStartedAt: number } } } = JSON.parse(
      await answer,
    );
    return result;
  };
  const gateway = async () => env.GATEWAY.getByName((await info()).connection.gateway);
  return { ws, next, closed, info, gateway };
}
