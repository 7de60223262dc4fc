import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

import { expect, inject } from "vitest";

import type { Client } from "../server/client.ts";
import { mostInFlight, mostInFlightOfSession, violations } from "./histories/consumer-history.ts";
import type { ConsumerHistory } from "./histories/consumer-history.ts";
import { ConsumerWorker } from "./loads/consumer-load.ts";
import type { WorkHabit } from "./loads/consumer-load.ts";
import { test } from "../server/fixtures.ts";
import { randomOf, Uptime } from "./loads/load.ts";
import { GATEWAY_SHARDS } from "../server/server.ts";
import type { Server } from "../server/server.ts";

/** `CONSUMER_MESSAGES=100000 CONSUMER_SEED=1 npm run test:long -- test/e2e/faults/consumers.test.ts` */
const { consumerMessages: MESSAGES, consumerCrashes: CRASHES } = inject("lengths");
const SEED = Number(process.env["CONSUMER_SEED"] ?? Date.now() % 1_000_000);
const WORKERS = 4;
const KILL_EVERY_MS = 2_000;
/** A smaller load for the crashes of the server, which are what takes time there. */
const CRASH_MESSAGES = MESSAGES / 2;
const BETWEEN_EVICTIONS_MS = 500;
const PATIENCE_MS = 120_000;

const stream = "work";
const consumer = "workers";
/** Of each worker's subscription: together they could take more than the consumer gives. */
const sessionMaxInFlight = 100;
const config = { ackWaitMs: 3_000, backoffMs: [200], maxDeliver: 50, maxInFlight: 300 };

test(
  `four workers, one killed every two seconds, process ${MESSAGES} messages`,
  { timeout: PATIENCE_MS + MESSAGES * 5 },
  async ({ server, connect, annotate }) => {
    const run = await startRun(server, MESSAGES, { workMs: 400, forgets: 0.01, naks: 0.02 });
    const publishing = publishAll(await connect(), MESSAGES);
    const settled = run.whenSettled(await connect(), MESSAGES);
    let kills = 0;
    let isDone = false;
    while (!isDone) {
      isDone = await Promise.race([settled.then(() => true), delay(KILL_EVERY_MS, false)]);
      run.workers[kills % WORKERS]?.kill();
      kills += 1;
    }
    await publishing;

    const info = await run.finish(await connect());
    await annotate(`seed ${SEED}: ${JSON.stringify({ kills, ...run.summary() })}`);
    expect(violations(run.history).slice(0, 20), `seed ${SEED}`).toEqual([]);
    expect(run.surprises()).toEqual([]);
    expect(info).toMatchObject({ inFlight: 0, pending: 0, deadLetters: 0, ackFloor: MESSAGES });
    expect(kills).toBeGreaterThan(2);
  },
);

test(
  `brings back nothing settled and loses nothing unsettled over ${CRASHES} kill -9 of the server, kills of workers and evictions`,
  { timeout: PATIENCE_MS + CRASHES * 10_000 },
  async ({ server, connect, annotate }) => {
    const run = await startRun(server, CRASH_MESSAGES, { workMs: 300, forgets: 0.01, naks: 0.02 });
    await publishAll(await connect(), CRASH_MESSAGES);
    const done = { workers: 0, streams: 0, gateways: 0 };
    for (let crash = 1; crash <= CRASHES; crash += 1) {
      const settled = run.whenSettled(await connect(), (CRASH_MESSAGES * crash) / (CRASHES + 2));
      let isSettled = false;
      while (!isSettled) {
        run.workers[done.workers % WORKERS]?.kill();
        done.workers += 1;
        await disturb(server, run.history, done);
        isSettled = await Promise.race([settled.then(() => true), delay(BETWEEN_EVICTIONS_MS, false)]);
      }
      const from = performance.now();
      const killed = server.kill9();
      run.uptime.down();
      await killed;
      await server.start();
      run.uptime.up();
      run.history.outages.push({ from, to: performance.now() });
    }
    await run.whenSettled(await connect(), CRASH_MESSAGES);

    const info = await run.finish(await connect());
    await annotate(`seed ${SEED}: ${JSON.stringify({ ...done, ...run.summary() })}`);
    expect(violations(run.history).slice(0, 20), `seed ${SEED}`).toEqual([]);
    expect(run.surprises()).toEqual([]);
    expect(info).toMatchObject({ inFlight: 0, pending: 0, deadLetters: 0, ackFloor: CRASH_MESSAGES });
    expect(Object.entries(done).filter(([, count]) => count === 0)).toEqual([]);
  },
);

/** Evicts the stream and every gateway once, in the middle of their work; sockets are kept, as those that watch are too. */
async function disturb(
  server: Server,
  history: ConsumerHistory,
  done: { streams: number; gateways: number },
): Promise<void> {
  const evict = async (eviction: Promise<boolean>): Promise<number> => {
    const from = performance.now();
    const isEvicted = await eviction;
    // It happened somewhere between.
    history.disturbances.push(from, performance.now());
    return isEvicted ? 1 : 0;
  };
  done.streams += await evict(server.evictStream(stream));
  for (let shard = 0; shard < GATEWAY_SHARDS; shard += 1) {
    done.gateways += await evict(server.evictGateway(shard, "hibernate"));
  }
}

/** Makes the consumer and sets the workers to work. */
async function startRun(server: Server, messages: number, habit: Pick<WorkHabit, "workMs" | "forgets" | "naks">) {
  const uptime = new Uptime(server);
  uptime.up();
  const maker = await uptime.connect();
  await maker.call("createConsumer", { stream, consumer, ...config });
  maker.terminate();

  const random = randomOf(SEED);
  const history: ConsumerHistory = {
    messages,
    ...config,
    sessionMaxInFlight,
    deliveries: [],
    inFlight: [],
    outages: [],
    disturbances: [],
  };
  const workers = Array.from({ length: WORKERS }, (_, index) => {
    const share = { name: `worker-${index + 1}`, stream, consumer, maxInFlight: sessionMaxInFlight, ...habit };
    return new ConsumerWorker(share, { uptime, random, history });
  });
  const working = Promise.all(workers.map((worker) => worker.run()));
  const endsBy = performance.now() + PATIENCE_MS;

  return {
    workers,
    history,
    uptime,
    /** Asks again and again how the consumer stands, until so many messages are settled. */
    whenSettled: async (client: Client, count: number) => {
      let settled = 0;
      while (settled < count && performance.now() < endsBy) {
        await delay(50);
        const { inFlight, pending } = await client.call("getConsumer", { stream, consumer });
        const { lastSequence } = await client.call("getStreamInfo", { stream });
        history.inFlight.push(inFlight);
        settled = lastSequence - pending - inFlight;
        if (lastSequence < messages) {
          settled = Math.min(settled, count - 1);
        }
      }
    },
    /** Ends the workers and tells how the consumer stands. */
    finish: async (client: Client) => {
      // What came again by a redelivery that crossed its ack would show by now.
      await delay(config.ackWaitMs);
      const info = await client.call("getConsumer", { stream, consumer });
      uptime.end();
      workers.forEach((worker) => worker.stop());
      await working.catch(() => undefined);
      return info;
    },
    surprises: () => workers.flatMap((worker) => worker.surprises),
    summary: () => ({
      deliveries: history.deliveries.length,
      redeliveries: history.deliveries.filter(({ deliveryCount }) => deliveryCount > 1).length,
      mostInFlight: Math.max(mostInFlight(history), ...history.inFlight),
      mostInFlightOfSession: mostInFlightOfSession(history),
      tookMs: Math.round((history.deliveries.at(-1)?.at ?? 0) - (history.deliveries[0]?.at ?? 0)),
    }),
  };
}

async function publishAll(client: Client, count: number): Promise<void> {
  for (let done = 0; done < count; done += 500) {
    const messages = Array.from({ length: Math.min(500, count - done) }, (_, index) => ({ data: done + index + 1 }));
    await client.call("publishBatch", { stream, messages, id: `batch-${done}` });
  }
}
