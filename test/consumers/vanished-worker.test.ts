import { env, exports } from "cloudflare:workers";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { connect, TestClient } from "../harness/client.ts";
import { deliveries, publishMany, streamWithConsumer } from "../harness/consumers.ts";
import { evict, gatewayOf } from "../harness/objects.ts";

const MINUTE_MS = 60_000;

afterEach(() => {
  vi.useRealTimers();
});

/** A client that may ping. */
class Worker extends TestClient {
  #pongs = 0;

  static async connect(): Promise<Worker> {
    const headers = { Upgrade: "websocket", Authorization: `Bearer ${env.API_KEY}` };
    const { webSocket } = await exports.default.fetch("http://stream.test/rpc", { headers });
    if (webSocket === null) {
      throw new Error("the handshake was refused");
    }
    return new Worker(webSocket);
  }

  async ping(): Promise<void> {
    const pongs = this.#pongs;
    this.send("ping");
    await this.until(() => (this.#pongs > pongs ? true : undefined), "a pong");
  }

  protected override received(text: string): void {
    if (text !== "pong") {
      super.received(text);
      return;
    }
    this.#pongs += 1;
    this.wake();
  }
}

/** Moves the clock, puts the gateway to sleep and runs its alarm; returns when the next one is due from then on. */
async function alarmAfter(gateway: Awaited<ReturnType<typeof gatewayOf>>, ms: number): Promise<number> {
  vi.setSystemTime(Date.now() + ms);
  await evict(gateway);
  await runInDurableObject(gateway, (_gateway, { storage }) => storage.setAlarm(Date.now() + MINUTE_MS));
  await runDurableObjectAlarm(gateway);
  return runInDurableObject(gateway, async (_gateway, { storage }) => {
    const atMs = await storage.getAlarm();
    return atMs === null ? Infinity : atMs - Date.now();
  });
}

it("finds a worker that vanished under a message, though its gateway sleeps and looks too early", async () => {
  const stream = "vanishes";
  const [worker, publisher] = [await Worker.connect(), await connect()];
  const gateway = await gatewayOf(worker);
  await streamWithConsumer(publisher, stream, 0, { ackWaitMs: 3_600_000 });
  await worker.call("subscribe", { stream, consumer: "c" });
  await worker.ping();
  vi.setSystemTime(Date.now() + 10_000);
  await publishMany(publisher, stream, 1);
  await worker.untilMessages(1);

  const nextIn = await alarmAfter(gateway, 1_000);
  await alarmAfter(gateway, nextIn);
  const { code } = await worker.until(() => worker.closed, "the socket to close");
  await expect
    .poll(async () => publisher.call("getConsumer", { stream, consumer: "c" }))
    .toMatchObject({ subscriptions: 0, inFlight: 0 });

  expect(nextIn).toBeLessThanOrEqual(LIMITS.idleCloseMs - 10_000);
  expect(code).toBe(4408);
});

it("looks no further after a worker that was heard since it got its last message", async () => {
  const stream = "idles-well";
  const worker = await Worker.connect();
  const gateway = await gatewayOf(worker);
  await streamWithConsumer(worker, stream, 1, { ackWaitMs: 3_600_000 });
  const { subscription } = await worker.call("subscribe", { stream, consumer: "c" });
  await worker.untilMessages(1);
  await worker.call("ack", { subscription, sequences: [1] });
  vi.setSystemTime(Date.now() + 5_000);
  await worker.ping();

  const nextIn = await alarmAfter(gateway, 10_000);

  expect(nextIn).toBeGreaterThan(LIMITS.idleCloseMs);
  expect(deliveries(worker)).toEqual([[1, 1]]);
  expect(worker.closed).toBeUndefined();
});
