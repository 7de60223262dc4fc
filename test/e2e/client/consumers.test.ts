import { setTimeout as delay } from "node:timers/promises";

import { expect, vi } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { ConsumerDelivery, Subscription } from "../../../rpc/client.ts";

import { test as base } from "../server/fixtures.ts";

// Left to itself, a client that has seen four crashes may wait half a minute before it looks for the server again.
const reconnect = { leastMs: 5, mostMs: 50 };

const test = base.extend<{ client: DurableStream }>({
  client: async ({ server }, use) => {
    await using client = new DurableStream({ url: server.url, token: server.apiKey, reconnect });
    await use(client);
  },
});

const SHARE = { stream: "jobs", consumer: "workers" };

async function publish(client: DurableStream, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, data) => client.publish({ stream: "jobs", data })));
}

test("settles messages as the handler says: ack, nak, term, working", async ({ client }) => {
  await client.createConsumer({ ...SHARE, ackWaitMs: 500, backoffMs: [0] });
  await publish(client, 3);
  const seen: string[] = [];

  for await (const delivery of client.subscribe(SHARE)) {
    const { sequence, deliveryCount } = delivery;
    seen.push(`${sequence}/${deliveryCount}`);
    if (sequence === 1 && deliveryCount === 1) {
      delivery.nak();
    } else if (sequence === 2) {
      delivery.term("not this one");
    } else if (sequence === 3) {
      // Longer than the ack deadline.
      for (let step = 0; step < 4; step += 1) {
        await delay(200);
        delivery.working();
      }
    }
    if (seen.length === 4) {
      delivery.ack();
      break;
    }
  }

  expect(seen.toSorted((a, b) => a.localeCompare(b))).toEqual(["1/1", "1/2", "2/1", "3/1"]);
  await expect.poll(() => client.getConsumer(SHARE)).toMatchObject({ ackFloor: 3, inFlight: 0, pending: 0 });
  const { deadLetters } = await client.getDeadLetters(SHARE);
  expect(deadLetters).toMatchObject([{ sequence: 2, reason: "not this one" }]);
});

test("shares jobs among workers through kill -9 of the server: each is done, and by nobody twice at a time", async ({
  client,
  server,
  annotate,
}) => {
  const jobs = 400;
  const workers = Array.from(
    { length: 4 },
    () => new DurableStream({ url: server.url, token: server.apiKey, reconnect }),
  );
  await client.createConsumer({ ...SHARE, ackWaitMs: 1_000, backoffMs: [0], maxDeliver: 100 });
  const done = new Map<number, number>();
  const busy = new Map<DurableStream, Set<number>>(workers.map((worker) => [worker, new Set<number>()]));
  const overlaps: number[] = [];
  const work = (worker: DurableStream) => async (delivery: ConsumerDelivery) => {
    const handling = busy.get(worker);
    if (handling?.has(delivery.sequence) === true) {
      overlaps.push(delivery.sequence);
    }
    handling?.add(delivery.sequence);
    await delay(5);
    handling?.delete(delivery.sequence);
    done.set(delivery.sequence, (done.get(delivery.sequence) ?? 0) + 1);
  };
  const subscriptions: Subscription<ConsumerDelivery>[] = workers.map((worker) =>
    worker.subscribe({ ...SHARE, maxInFlight: 8 }, work(worker)),
  );

  const publishing = publish(client, jobs);
  for (let kill = 1; kill <= 4; kill += 1) {
    const target = (jobs * kill) / 6;
    await vi.waitUntil(() => done.size >= target, { timeout: 20_000, interval: 5 });
    await server.kill9();
    await server.start();
  }
  await vi.waitUntil(() => done.size === jobs, { timeout: 20_000, interval: 5 });
  await publishing;
  await expect.poll(() => client.getConsumer(SHARE)).toMatchObject({ ackFloor: jobs, pending: 0 });
  subscriptions.forEach((subscription) => subscription.close());
  await Promise.all(subscriptions.map(({ ended }) => ended));
  await Promise.all(workers.map((worker) => worker.close()));

  const repeated = [...done.values()].filter((times) => times > 1).length;
  await annotate(`${repeated} of ${jobs} jobs done more than once`);
  expect([...done.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: jobs }, (_, index) => index + 1));
  expect(overlaps).toEqual([]);
  expect(await client.getConsumer(SHARE)).toMatchObject({ deadLetters: 0, inFlight: 0 });
});
