/** Messages that kill their workers: each dies alone, and what was prefetched beside it is done. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { expect, vi } from "vitest";

import type { MethodName, MethodParams, MethodResult } from "../../../rpc/index.ts";

import { Client, ConnectionLost } from "../server/client.ts";
import { sharingServer } from "../server/fixtures.ts";
import type { PoisonWorkerOptions } from "./poison-worker.ts";
import type { Server } from "../server/server.ts";

const JOBS = 50;
const share = { stream: "jobs", consumer: "workers" };

/** The numbers from 1 to `last`. */
function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

type Leave = (client: Client, subscription: number) => Promise<unknown>;

/** Calls by HTTP, which no gateway that is evicted can lose. */
async function call<M extends MethodName>(
  server: Server,
  method: M,
  params: MethodParams<M>,
): Promise<MethodResult<M>> {
  const response = await fetch(new URL("/rpc", server.url), {
    method: "POST",
    headers: { Authorization: `Bearer ${server.apiKey}`, "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result } = (await response.json()) as { result: MethodResult<M> };
  return result;
}

/** Publishes jobs 1 to {@link JOBS}, which have the sequences of their numbers. */
async function publishJobs(server: Server): Promise<void> {
  const messages = upTo(JOBS).map((data) => ({ data }));
  await call(server, "publishBatch", { stream: share.stream, messages });
}

/** What workers over raw sockets did and died of. */
class RawWorkers {
  readonly done: number[] = [];
  readonly deaths: number[] = [];
  readonly #server: Server;
  readonly #poison: readonly number[];
  readonly #maxInFlight: { maxInFlight?: number };
  /** Awaited before a worker that met a poisonous job dies of it. */
  beforeDeath = async (_worker: Client): Promise<void> => undefined;
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
      if (this.#isStopped) {
        client.terminate();
        return;
      }
      this.#clients.add(client);
      client.onNotification = ({ method, params }) => {
        if (method === "messages") {
          params.messages.forEach(({ sequence }) => this.#work(client, params.subscription, sequence));
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
      void this.beforeDeath(client).then(() => client.terminate());
      return;
    }
    this.done.push(sequence);
    client.notify("ack", { subscription, sequences: [sequence] });
  }
}

/** Waits until every job is done or dead, and returns the dead ones. */
async function untilOver(server: Server): Promise<number[]> {
  await expect
    .poll(async () => call(server, "getConsumer", share), { timeout: 30_000 })
    .toMatchObject({ ackFloor: JOBS, pending: 0, inFlight: 0 });
  const { deadLetters } = await call(server, "getDeadLetters", share);
  expect(deadLetters.every(({ reason }) => reason === "maxDeliver")).toBe(true);
  return deadLetters.map(({ sequence }) => sequence);
}

const test = sharingServer().extend<{ deletedAfter: undefined }>({
  deletedAfter: [
    async ({ server }, use) => {
      await use(undefined);
      await call(server, "deleteStream", { stream: share.stream });
    },
    { auto: true },
  ],
});

test.for([
  ["the first job", [1], 1, {}],
  ["a job in the middle", [25], 1, {}],
  ["several jobs", [1, 2, 30, 50], 1, {}],
  ["one of the jobs of several workers", [1], 4, {}],
  ["several of the jobs of several workers", [1, 7, 20], 3, {}],
  ["the first job of a worker that takes one at a time", [1], 1, { maxInFlight: 1 }],
] as [string, number[], number, { maxInFlight?: number }][])(
  "buries what kills its worker, and nothing beside it: %s",
  async ([_name, poison, count, maxInFlight], { server }) => {
    await call(server, "createConsumer", share);
    await publishJobs(server);
    const workers = new RawWorkers(server, poison, maxInFlight);

    const working = Promise.all(upTo(count).map(() => workers.run()));
    const dead = await untilOver(server);
    workers.stop();
    await working;

    expect(dead).toEqual(poison);
    expect([...new Set(workers.done)].toSorted((a, b) => a - b)).toEqual(
      upTo(JOBS).filter((job) => !poison.includes(job)),
    );
  },
);

test("buries only what kills its worker though stream and gateways sleep between", async ({ server }) => {
  await call(server, "createConsumer", share);
  await publishJobs(server);
  const workers = new RawWorkers(server, [1]);
  let evicted = 0;
  workers.beforeDeath = async (worker) => {
    const { connection } = await worker.call("getServerInfo", {});
    const shard = Number(connection?.gateway.split("-").at(-1));
    await vi.waitUntil(() => server.evictGateway(shard, "hibernate"), { timeout: 10_000 });
    await vi.waitUntil(() => server.evictStream(share.stream), { timeout: 10_000 });
    evicted += 1;
  };

  const working = workers.run();
  const dead = await untilOver(server);
  workers.stop();
  await working;

  expect(dead).toEqual([1]);
  expect(evicted).toBe(workers.deaths.length);
});

test.for([
  ["a Close", async (client) => client.close(), undefined],
  ["unsubscribe", async (client, subscription) => client.call("unsubscribe", { subscription }), undefined],
  ["a crash of the server", async () => undefined, async (server) => server.kill9()],
  ["a shutdown of the server", async () => undefined, async (server) => server.stop()],
] as [string, Leave, ((server: Server) => Promise<void>) | undefined][])(
  "counts nothing, more often than maxDeliver, for workers that leave by %s",
  async ([_name, leave, end], { server }) => {
    await call(server, "createConsumer", { ...share, maxDeliver: 2 });
    await publishJobs(server);

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
    const info = await call(server, "getConsumer", share);
    client.terminate();

    expect(sequences.toSorted((a, b) => a - b)).toEqual(upTo(JOBS));
    expect(info).toMatchObject({ deadLetters: 0, inFlight: JOBS });
  },
);

test("buries what kills its worker process, and nothing beside it", async ({ server }) => {
  await call(server, "createConsumer", share);
  await publishJobs(server);
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
  const dead = await untilOver(server);
  isOver = true;
  worker.kill("SIGKILL");
  await supervising;

  expect(dead).toEqual([1]);
});
