import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import { test } from "./fixtures.ts";
import { Proxy } from "./proxy.ts";

const CUTS = 200;
const BETWEEN_CUTS_MS = 25;

test("workers whose sockets are cut again and again leave nothing behind: no subscription, nothing in flight", async ({
  server,
  connect,
}) => {
  const [stream, consumer] = ["cut", "workers"];
  await using proxy = await Proxy.to(server.url);
  const direct = await connect();
  await direct.call("createConsumer", { stream, consumer, ackWaitMs: 60_000 });
  const handled = new Set<number>();
  const reconnect = { leastMs: 10, mostMs: 50 };
  const workers = Array.from(
    { length: 6 },
    () => new DurableStream({ url: proxy.url, token: server.apiKey, reconnect }),
  );
  for (const worker of workers) {
    worker.subscribe({ stream, consumer, maxInFlight: 8 }, ({ sequence }) => {
      handled.add(sequence);
    });
  }

  let published = 0;
  for (let cut = 0; cut < CUTS; cut += 1) {
    const messages = Array.from({ length: 10 }, (_, data) => ({ data }));
    published = (await direct.call("publishBatch", { stream, messages })).lastSequence;
    await delay(BETWEEN_CUTS_MS);
    const { connections } = proxy;
    // At once, or in the middle of what comes next.
    connections[Math.floor(Math.random() * connections.length)]?.cut(Math.floor(Math.random() * 2) * 500);
  }
  await expect.poll(() => handled.size, { timeout: 20_000 }).toBe(published);
  await Promise.all(workers.map((worker) => worker.close()));

  const info = () => direct.call("getConsumer", { stream, consumer });
  await expect.poll(info, { timeout: 10_000 }).toMatchObject({ subscriptions: 0, inFlight: 0 });
});
