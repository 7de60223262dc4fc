import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { ConnectionChange } from "../../../rpc/client.ts";
import { test } from "../server/fixtures.ts";
import { Proxy } from "../server/proxy.ts";

const CUTS = 200;
const BETWEEN_CUTS_MS = 25;
/** The most there may be: each of so many cuts in a row would have to hit whoever holds the same message. */
const MAX_DELIVER = 100;

test("workers whose sockets are cut again and again leave nothing behind: no subscription, nothing in flight", async ({
  server,
  connect,
  annotate,
}) => {
  const [stream, consumer] = ["cut", "workers"];
  await using proxy = await Proxy.to(server.url);
  const direct = await connect();
  await direct.call("createConsumer", { stream, consumer, ackWaitMs: 60_000, maxDeliver: MAX_DELIVER });
  const handled = new Set<number>();
  const reconnect = { leastMs: 10, mostMs: 50 };
  let losses = 0;
  const workers = Array.from({ length: 6 }, () => {
    let wasOpen = false;
    const onState = ({ state }: ConnectionChange) => {
      losses += wasOpen && state === "waiting" ? 1 : 0;
      wasOpen = state === "open";
    };
    return new DurableStream({ url: proxy.url, token: server.apiKey, reconnect, onState });
  });
  for (const worker of workers) {
    worker.subscribe({ stream, consumer, maxInFlight: 8 }, ({ sequence }) => {
      handled.add(sequence);
    });
  }

  let published = 0;
  let cuts = 0;
  for (let cut = 0; cut < CUTS; cut += 1) {
    const messages = Array.from({ length: 10 }, (_, data) => ({ data }));
    published = (await direct.call("publishBatch", { stream, messages })).lastSequence;
    await delay(BETWEEN_CUTS_MS);
    const { connections } = proxy;
    // At once, or in the middle of what comes next.
    const victim = connections[Math.floor(Math.random() * connections.length)];
    victim?.cut(Math.floor(Math.random() * 2) * 500);
    cuts += victim === undefined ? 0 : 1;
  }
  await expect.poll(() => handled.size, { timeout: 20_000 }).toBe(published);
  await Promise.all(workers.map((worker) => worker.close()));

  const info = () => direct.call("getConsumer", { stream, consumer });
  const done = { subscriptions: 0, inFlight: 0, pending: 0, ackFloor: published, deadLetters: 0 };
  await expect.poll(info).toMatchObject(done);
  // A victim may be cut twice, or before its handshake is over: most cuts lose a connection that was open.
  await annotate(`${losses} connections lost by ${cuts} cuts`);
  expect(losses).toBeGreaterThan(CUTS / 4);
});
