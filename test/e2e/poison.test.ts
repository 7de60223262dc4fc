/** Messages that kill their workers: each dies alone, and what was prefetched beside it is done. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { expect } from "vitest";

import { Client, ConnectionLost } from "./client.ts";
import { test } from "./fixtures.ts";
import type { PoisonWorkerOptions } from "./poison-worker.ts";
import { GATEWAY_SHARDS } from "./server.ts";
import type { Server } from "./server.ts";

const JOBS = 50;
const share = { stream: "jobs", consumer: "workers" };

/** The numbers from 1 to `last`. */
function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

type Leave = (client: Client, subscription: number) => Promise<unknown>;

/** Publishes jobs 1 to {@link JOBS}, which have the sequences of their numbers. */
async function publishJobs(client: Client): Promise<void> {
  const messages = upTo(JOBS).map((data) => ({ data }));
  await client.call("publishBatch", { stream: share.stream, messages });
}

/** What workers over raw sockets did and died of. */
class RawWorkers {
  readonly done: number[] = [];
  readonly deaths: number[] = [];
  readonly #server: Server;
  readonly #poison: readonly number[];
  readonly #maxInFlight: { maxInFlight?: number };
  /** Awaited before a worker that met a poisonous job dies of it. */
  beforeDeath = async (): Promise<void> => undefined;
  #clients = new Set<Client>();
  #isStopped = false;

  constructor(server: Server, poison: readonly number[], maxInFlight: { maxInFlight?: number } = {}) {
    this.#server = server;
    this.#poison = poison;
    this.#maxInFlight = maxInFlight;
  }

  /** Takes jobs one by one, on one socket after the other; one that is poisonous destroys the socket. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      const client = await Client.connect(this.#server);
      this.#clients.add(client);
      client.onNotification = ({ method, params }) => {
        for (const { sequence } of method === "messages" ? params.messages : []) {
          this.#work(client, params.subscription, sequence);
        }
      };
      try {
        await client.call("subscribe", { ...share, ...this.#maxInFlight });
        await client.whenClosed;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) {
          throw error;
        }
      }
      this.#clients.delete(client);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#clients.forEach((client) => client.terminate());
  }

  #work(client: Client, subscription: number, sequence: number): void {
    if (!this.#clients.has(client)) {
      // The worker is dead.
      return;
    }
    if (this.#poison.includes(sequence)) {
      this.deaths.push(sequence);
      this.#clients.delete(client);
      void this.beforeDeath().then(() => client.terminate());
      return;
    }
    this.done.push(sequence);
    client.notify("ack", { subscription, sequences: [sequence] });
  }
}

/** Waits until every job is done or dead, and returns the dead ones. */
async function untilOver(client: Client): Promise<number[]> {
  await expect
    .poll(async () => client.call("getConsumer", share), { timeout: 30_000 })
    .toMatchObject({ ackFloor: JOBS, pending: 0, inFlight: 0 });
  const { deadLetters } = await client.call("getDeadLetters", share);
  expect(deadLetters.every(({ reason }) => reason === "maxDeliver")).toBe(true);
  return deadLetters.map(({ sequence }) => sequence);
}

test.for([
  ["the first job", [1], 1, {}],
  ["a job in the middle", [25], 1, {}],
  ["several jobs", [1, 2, 30, 50], 1, {}],
  ["one of the jobs of several workers", [1], 4, {}],
  ["several of the jobs of several workers", [1, 7, 20], 3, {}],
  ["the first job of a worker that takes one at a time", [1], 1, { maxInFlight: 1 }],
] as [string, number[], number, { maxInFlight?: number }][])(
  "buries what kills its worker, and nothing beside it: %s",
  async ([_name, poison, count, maxInFlight], { server, connect }) => {
    const client = await connect();
    await client.call("createConsumer", share);
    await publishJobs(client);
    const workers = new RawWorkers(server, poison, maxInFlight);

    const working = Promise.all(upTo(count).map(() => workers.run()));
    const dead = await untilOver(client);
    workers.stop();
    await working;

    expect(dead).toEqual(poison);
    expect([...new Set(workers.done)].toSorted((a, b) => a - b)).toEqual(
      upTo(JOBS).filter((job) => !poison.includes(job)),
    );
  },
);

test("buries only what kills its worker though stream and gateways sleep between", async ({ server, connect }) => {
  const client = await connect();
  await client.call("createConsumer", share);
  await publishJobs(client);
  const workers = new RawWorkers(server, [1]);
  let evicted = 0;
  workers.beforeDeath = async () => {
    const evictions = [server.evictStream(share.stream)];
    for (let shard = 0; shard < GATEWAY_SHARDS; shard += 1) {
      evictions.push(server.evictGateway(shard, "hibernate"));
    }
    evicted += (await Promise.all(evictions)).filter(Boolean).length;
  };

  const working = workers.run();
  const dead = await untilOver(client);
  workers.stop();
  await working;

  expect(dead).toEqual([1]);
  // Of each death the stream and the gateway of the worker.
  expect(evicted).toBeGreaterThanOrEqual(2 * workers.deaths.length);
});

test.for([
  ["a Close", async (client) => client.close(), undefined],
  ["unsubscribe", async (client, subscription) => client.call("unsubscribe", { subscription }), undefined],
  ["a crash of the server", async () => undefined, async (server) => server.kill9()],
  ["a shutdown of the server", async () => undefined, async (server) => server.stop()],
] as [string, Leave, ((server: Server) => Promise<void>) | undefined][])(
  "counts nothing, more often than maxDeliver, for workers that leave by %s",
  async ([_name, leave, end], { server }) => {
    const maker = await Client.connect(server);
    await maker.call("createConsumer", { ...share, maxDeliver: 2 });
    await publishJobs(maker);
    await maker.close();

    for (let time = 1; time <= 3; time += 1) {
      const client = await Client.connect(server);
      const { subscription } = await client.call("subscribe", share);
      await client.untilMessages(JOBS);
      await leave(client, subscription);
      await end?.(server);
      client.terminate();
      if (end !== undefined) {
        await server.start();
      }
    }
    const client = await Client.connect(server);
    await client.call("subscribe", share);
    const sequences = await client.untilMessages(JOBS);
    const info = await client.call("getConsumer", share);
    client.terminate();

    expect(sequences.toSorted((a, b) => a - b)).toEqual(upTo(JOBS));
    expect(info).toMatchObject({ deadLetters: 0, inFlight: JOBS });
  },
);

test("buries what kills its worker process, and nothing beside it", async ({ server, connect }) => {
  const client = await connect();
  await client.call("createConsumer", share);
  await publishJobs(client);
  const options: PoisonWorkerOptions = { url: server.url, token: server.apiKey, ...share, poison: [1] };
  const start = () => fork(join(import.meta.dirname, "poison-worker.ts"), [JSON.stringify(options)], { execArgv: [] });

  // A supervisor that starts it again.
  let worker = start();
  let isOver = false;
  const supervising = (async () => {
    for (;;) {
      await once(worker, "exit");
      if (isOver) {
        return;
      }
      worker = start();
    }
  })();
  const dead = await untilOver(client);
  isOver = true;
  worker.kill("SIGKILL");
  await supervising;

  expect(dead).toEqual([1]);
});
