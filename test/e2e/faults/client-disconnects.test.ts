import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, inject } from "vitest";
import { WebSocket as WsWebSocket } from "ws";

import { DurableStream } from "../../../rpc/client.ts";
import type { DurableStreamOptions, StreamEvent, Subscription } from "../../../rpc/client.ts";
import type { Message } from "../../../rpc/index.ts";

import { test } from "../server/fixtures.ts";
import { violations } from "./histories/history.ts";
import type { Following, Payload, Publish } from "./histories/history.ts";
import { randomOf } from "./loads/load.ts";
import { Proxy } from "../server/proxy.ts";
import { GATEWAY_SHARDS } from "../server/server.ts";
import type { Server } from "../server/server.ts";

/** `DISCONNECTS=5000 DISCONNECT_SEED=1 npm run test:long -- test/e2e/faults/client-disconnects.test.ts` for more, or the same again. */
const { disconnects: DISCONNECTS } = inject("lengths");
const SEED = Number(process.env["DISCONNECT_SEED"] ?? Date.now() % 1_000_000);

const STREAM = "disconnects";
/** A reader that gets nothing for so long gets nothing more: longer than a server waits for an ack. */
const STALLED_MS = 40_000;
/** Pacing of one publisher's worker, so that the log stays readable. */
const PUBLISH_EVERY_MS = 12;
/** A publish is settled by then, one way or the other. */
const PUBLISH_TIMEOUT_MS = 60_000;
/** What is to be settled already may take so long to be seen to be. */
const SETTLED_MS = 1_000;
/** So many disconnects take less than this, unless clients do not come back. */
const DISTURB_MS = 60_000 + DISCONNECTS * 200;

/** Clients that reconnect at once and find a dead socket soon, each with another WebSocket. */
function clientOptions(url: string, token: string, index: number): DurableStreamOptions {
  const other = index % 2 === 0 ? {} : { WebSocket: WsWebSocket };
  return {
    url,
    token,
    ...other,
    reconnect: { leastMs: 5, mostMs: 100 },
    ping: { everyMs: 60, deadAfterMs: 250 },
    connectTimeoutMs: 1_000,
    answerTimeoutMs: 5_000,
    publishTimeoutMs: PUBLISH_TIMEOUT_MS,
  };
}

/** Counts how often an open connection was lost, over all clients. */
class Losses {
  #count = 0;
  readonly #wakers = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  /** The options of a client whose losses are counted. */
  of(options: DurableStreamOptions): DurableStreamOptions {
    let wasOpen = false;
    return {
      ...options,
      onState: ({ state }) => {
        if (state === "waiting" && wasOpen) {
          this.#count += 1;
          this.#wakers.forEach((wake) => wake());
          this.#wakers.clear();
        }
        wasOpen = state === "open";
      },
    };
  }

  /** Waits for one more loss. */
  whenMore(): Promise<void> {
    return new Promise((resolve) => this.#wakers.add(resolve));
  }
}

/** Publishes with several calls open, and writes down what it was told. */
class Writer {
  readonly client: DurableStream;
  readonly #name: string;
  readonly publishes: Publish[] = [];
  readonly failures: unknown[] = [];
  isOver = false;

  constructor(client: DurableStream, name: string) {
    this.client = client;
    this.#name = name;
  }

  async run(workers: number): Promise<void> {
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
  }

  async #work(): Promise<void> {
    while (!this.isOver) {
      await Promise.all([this.#publish(), delay(PUBLISH_EVERY_MS)]);
    }
  }

  async #publish(): Promise<void> {
    const order = this.publishes.length + 1;
    const id = `${this.#name}-${order}`;
    const publish: Publish = { id, messages: 1, attempts: [] };
    this.publishes.push(publish);
    const data: Payload = { publish: id, index: 0 };
    try {
      const { epoch, sequence } = await this.client.publish({ stream: STREAM, data, subject: `from.${this.#name}` });
      // Whether it was stored by a repetition is the client's business: in order it must be either way.
      const outcome = {
        kind: "stored" as const,
        epoch,
        firstSequence: sequence,
        lastSequence: sequence,
        duplicate: false,
      };
      publish.attempts.push({ socket: this.#name, order, outcome });
    } catch (error) {
      this.failures.push(error);
      publish.attempts.push({ socket: this.#name, order, outcome: { kind: "unknown" } });
    }
  }
}

/** Writes down what a subscription hands on. */
class Reader {
  readonly following: Following;
  readonly surprises: StreamEvent[] = [];
  #last = 0;
  readonly #wakers = new Set<() => void>();

  constructor(name: string, wants: (message: Message) => boolean) {
    this.following = { name, wants, deliveries: [] };
  }

  take(event: StreamEvent): void {
    if (event.type !== "message") {
      this.surprises.push(event);
      return;
    }
    this.following.deliveries.push({ session: 1, previous: this.#last, messages: [event] });
    this.#last = event.sequence;
    this.#wakers.forEach((wake) => wake());
    this.#wakers.clear();
  }

  /** Waits until it has come to a sequence; what is missing when nothing comes any more, the checker tells. */
  async whenAt(sequence: number): Promise<void> {
    let isStalled = false;
    while (this.#last < sequence && !isStalled) {
      const woken = new Promise<boolean>((resolve) => this.#wakers.add(() => resolve(false)));
      const stalled = new AbortController();
      isStalled = await Promise.race([woken, delay(STALLED_MS, true, { signal: stalled.signal }).catch(() => true)]);
      stalled.abort();
    }
  }
}

/** Of every hundred disturbances, so many are of each kind; `close` and `hibernate` are evictions of a gateway. */
const DISTURBANCES = { cut: 27, cutWithin: 22, freeze: 29, kill: 2, close: 10, hibernate: 10 };
type Disturbance = keyof typeof DISTURBANCES;

/** What was done to the connections. */
type Disturbed = {
  done: Record<Disturbance, number>;
  /** How many connections the server ended during evictions. */
  endedBy: { close: number; hibernate: number };
};

/**
 * Cuts sockets, in the middle of a frame or not, leaves them half open, kills the server and evicts gateways, with their
 * sockets or without, until so many connections are lost. Each kind comes first until it was done once, so that none is left out.
 */
async function disturb(server: Server, proxy: Proxy, losses: Losses): Promise<Disturbed> {
  const random = randomOf(SEED);
  const bag = Object.entries(DISTURBANCES).flatMap(([kind, share]) =>
    Array<Disturbance>(share).fill(kind as Disturbance),
  );
  const untried = new Set(bag);
  const done = { cut: 0, cutWithin: 0, freeze: 0, kill: 0, close: 0, hibernate: 0 };
  const disturbed = { done, endedBy: { close: 0, hibernate: 0 } };
  const endsBy = performance.now() + DISTURB_MS;
  while ((losses.count < DISCONNECTS || untried.size > 0) && performance.now() < endsBy) {
    const [first] = untried;
    const kind = first ?? bag[Math.floor(random() * bag.length)] ?? "cut";
    const { connections } = proxy;
    const victim = connections[Math.floor(random() * connections.length)];
    let isDone = victim !== undefined;
    let didMatter = true;
    if (kind === "kill") {
      await server.kill9();
      await server.start();
      isDone = true;
    } else if (kind === "close" || kind === "hibernate") {
      const ended = countEnded(connections);
      isDone = await server.evictGateway(Math.floor(random() * GATEWAY_SHARDS), kind);
      const count = ended();
      disturbed.endedBy[kind] += count;
      // An eviction that closes sockets counts as tried once it has closed one.
      didMatter = kind === "hibernate" || count > 0;
    } else if (kind === "cut") {
      victim?.cut();
    } else if (kind === "cutWithin") {
      victim?.cut(1 + Math.floor(random() * 500));
    } else {
      victim?.freeze();
    }
    done[kind] += isDone ? 1 : 0;
    if (isDone && didMatter) {
      untried.delete(kind);
    }
    // A frozen one is found out later; so the next disturbance does not always wait for it.
    await Promise.race([losses.whenMore(), delay(random() * 40)]);
  }
  return disturbed;
}

/** Counts, until it is asked, the connections that the server is the first to end. */
function countEnded(connections: Proxy["connections"]): () => number {
  let count = 0;
  const end = () => (count += 1);
  connections.forEach(({ far }) => far.once("end", end));
  return () => {
    connections.forEach(({ far }) => far.off("end", end));
    return count;
  };
}

describe("clients whose connections are lost again and again", () => {
  test(
    `lose and repeat nothing over ${DISCONNECTS} disconnects`,
    { timeout: DISTURB_MS + PUBLISH_TIMEOUT_MS + STALLED_MS + 60_000 },
    async ({ server, annotate }) => {
      await using proxy = await Proxy.to(server.url);
      const losses = new Losses();
      const connect = (index: number) => new DurableStream(losses.of(clientOptions(proxy.url, server.apiKey, index)));
      const writers = ["one", "two", "three"].map((name, index) => new Writer(connect(index), name));
      const reading = follow([3, 4, 5, 6].map(connect));

      const writing = Promise.all(writers.map((writer) => writer.run(16)));
      const started = performance.now();
      const { done, endedBy } = await disturb(server, proxy, losses);
      const seconds = (performance.now() - started) / 1000;
      writers.forEach((writer) => (writer.isOver = true));
      // What is open then never ends: the publishes show which it is.
      await isPending(writing, PUBLISH_TIMEOUT_MS + SETTLED_MS);
      const publishes = writers.flatMap((writer) => writer.publishes);
      const unsettled = publishes.filter(({ attempts }) => attempts.length === 0).map(({ id }) => id);
      const direct = new DurableStream({ url: server.url, token: server.apiKey });
      const { epoch, log } = await readLog(direct);
      const readers = reading.map(({ reader }) => reader);
      await Promise.all(readers.map((reader) => reader.whenAt(log.findLast(reader.following.wants)?.sequence ?? 0)));
      const clients = [direct, ...writers.map((writer) => writer.client), ...reading.map((one) => one.client)];
      await Promise.all(clients.map((client) => client.close()));
      const pending = await pendingOf(reading);

      await annotate(
        `seed ${SEED}: ${losses.count} connections lost in ${seconds.toFixed(0)} s by ${JSON.stringify(done)}, ` +
          `evictions ended ${JSON.stringify(endedBy)}, ${log.length} messages`,
      );
      expect(unsettled, "every publish is settled").toEqual([]);
      expect(pending, "nothing waits for a closed client").toEqual([]);
      expect(writers.flatMap((writer) => writer.failures)).toEqual([]);
      expect(readers.flatMap((reader) => reader.surprises)).toEqual([]);
      const followings = readers.map((reader) => reader.following);
      const history = { epochs: [epoch], publishes, followings, reads: [], log };
      expect(violations(history).slice(0, 20), `seed ${SEED}`).toEqual([]);
      await Promise.all(reading.map(({ over }) => over));
      // The load was what it is meant to be.
      expect(losses.count).toBeGreaterThanOrEqual(DISCONNECTS);
      expect(Object.entries(done).filter(([, count]) => count === 0)).toEqual([]);
      expect(endedBy.close, "evictions lost connections").toBeGreaterThan(0);
    },
  );
});

/** Tells whether a promise is still pending after so long; how it ended otherwise does not matter here. */
async function isPending(promise: Promise<unknown>, afterMs: number): Promise<boolean> {
  const ended = new AbortController();
  const over = promise.then(
    () => false,
    () => false,
  );
  const late = delay(afterMs, true, { signal: ended.signal }).catch(() => true);
  const pending = await Promise.race([over, late]);
  ended.abort();
  return pending;
}

/** The promises of subscriptions to closed clients that wait all the same. */
async function pendingOf(reading: readonly Reading[]): Promise<string[]> {
  const promises = reading.flatMap(({ reader, subscription, over }) => [
    { name: `ended of ${reader.following.name}`, promise: subscription.ended },
    { name: `next() of ${reader.following.name}`, promise: subscription.next() },
    { name: `loop of ${reader.following.name}`, promise: over },
  ]);
  const arePending = await Promise.all(promises.map(({ promise }) => isPending(promise, SETTLED_MS)));
  return promises.filter((_, index) => arePending[index]).map(({ name }) => name);
}

function isAny(): boolean {
  return true;
}

function isFromTwo(message: Message): boolean {
  return message.subject === "from.two";
}

type Reading = {
  client: DurableStream;
  reader: Reader;
  subscription: Subscription;
  /** The handler hears no more, or the loop is left. */
  over: Promise<void>;
};

/** Followers of every kind: by handler and by loop, with a window of a few messages, with a filter, acking by hand. */
function follow(clients: DurableStream[]): Reading[] {
  return clients.map((client, index) => {
    const isFiltered = index === 2;
    const reader = new Reader(`reader ${index}`, isFiltered ? isFromTwo : isAny);
    if (index === 0) {
      const subscription = client.subscribe({ stream: STREAM }, (event) => reader.take(event));
      return { client, reader, subscription, over: subscription.ended };
    }
    if (index === 1) {
      const subscription = client.subscribe({ stream: STREAM, maxInFlight: 8 }, async (event) => {
        reader.take(event);
        await Promise.resolve();
      });
      return { client, reader, subscription, over: subscription.ended };
    }
    const params = { stream: STREAM, ...(isFiltered ? { filter: "from.two" } : {}), maxInFlight: 64 };
    const subscription = client.subscribe(params, { ack: isFiltered ? "auto" : "manual" });
    return { client, reader, subscription, over: readByLoop(subscription, reader, !isFiltered) };
  });
}

async function readByLoop(subscription: Subscription, reader: Reader, isManual: boolean): Promise<void> {
  let unacked = 0;
  for await (const event of subscription) {
    reader.take(event);
    unacked += 1;
    if (isManual && event.type === "message" && unacked >= 16) {
      unacked = 0;
      event.ack();
    }
  }
}

async function readLog(client: DurableStream): Promise<{ epoch: string; log: Message[] }> {
  const log: Message[] = [];
  let from = 1;
  for (;;) {
    const page = await client.getMessages({ stream: STREAM, from: { sequence: from } });
    log.push(...page.messages);
    from = page.nextSequence;
    if (from > page.lastSequence) {
      return { epoch: page.epoch, log };
    }
  }
}
