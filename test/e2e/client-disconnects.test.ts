import { setTimeout as delay } from "node:timers/promises";

import { describe, expect } from "vitest";
import { WebSocket as WsWebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";
import type { DurableStreamOptions, StreamEvent } from "../../rpc/client.ts";
import type { Message } from "../../rpc/index.ts";

import { test } from "./fixtures.ts";
import { violations } from "./history.ts";
import type { Following, Payload, Publish } from "./history.ts";
import { randomOf } from "./load.ts";
import { Proxy } from "./proxy.ts";
import type { Server } from "./server.ts";

/** `DISCONNECTS=5000 DISCONNECT_SEED=1 npx vitest run --project node test/e2e/client-disconnects.test.ts` for more, or the same again. */
const DISCONNECTS = Number(process.env["DISCONNECTS"] ?? 500);
const SEED = Number(process.env["DISCONNECT_SEED"] ?? Date.now() % 1_000_000);

const STREAM = "disconnects";
/** A reader that gets nothing for so long gets nothing more: longer than a server waits for an ack. */
const STALLED_MS = 40_000;
/** Pacing of one publisher's worker, so that the log stays readable. */
const PUBLISH_EVERY_MS = 12;

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

/** Cuts sockets, in the middle of a frame or not, leaves them half open, and kills the server, until so many are lost. */
async function disturb(server: Server, proxy: Proxy, losses: Losses): Promise<Record<string, number>> {
  const random = randomOf(SEED);
  const done = { cut: 0, cutWithin: 0, freeze: 0, kill: 0 };
  while (losses.count < DISCONNECTS) {
    const { connections } = proxy;
    const victim = connections[Math.floor(random() * connections.length)];
    const kind = random();
    if (kind < 0.02) {
      done.kill += 1;
      await server.kill9();
      await server.start();
    } else if (victim !== undefined && kind < 0.35) {
      done.cut += 1;
      victim.cut();
    } else if (victim !== undefined && kind < 0.6) {
      done.cutWithin += 1;
      victim.cut(1 + Math.floor(random() * 500));
    } else if (victim !== undefined) {
      done.freeze += 1;
      victim.freeze();
    }
    // A frozen one is found out later; so the next disturbance does not always wait for it.
    await Promise.race([losses.whenMore(), delay(random() * 40)]);
  }
  return done;
}

describe("clients whose connections are lost again and again", () => {
  test(
    `lose and repeat nothing over ${DISCONNECTS} disconnects`,
    { timeout: 60_000 + DISCONNECTS * 300 },
    async ({ server, annotate }) => {
      await using proxy = await Proxy.to(server.url);
      const losses = new Losses();
      const connect = (index: number) => new DurableStream(losses.of(clientOptions(proxy.url, server.apiKey, index)));
      const writers = ["one", "two", "three"].map((name, index) => new Writer(connect(index), name));
      const reading = follow([3, 4, 5, 6].map(connect));

      const writing = Promise.all(writers.map((writer) => writer.run(16)));
      const started = performance.now();
      const done = await disturb(server, proxy, losses);
      const seconds = (performance.now() - started) / 1000;
      writers.forEach((writer) => (writer.isOver = true));
      await writing;
      const direct = new DurableStream({ url: server.url, token: server.apiKey });
      const { epoch, log } = await readLog(direct);
      const readers = reading.map(({ reader }) => reader);
      await Promise.all(readers.map((reader) => reader.whenAt(log.findLast(reader.following.wants)?.sequence ?? 0)));
      const clients = [direct, ...writers.map((writer) => writer.client), ...reading.map((one) => one.client)];
      await Promise.all(clients.map((client) => client.close()));

      await annotate(
        `seed ${SEED}: ${losses.count} connections lost in ${seconds.toFixed(0)} s by ${JSON.stringify(done)}, ${log.length} messages`,
      );
      const publishes = writers.flatMap((writer) => writer.publishes);
      expect(writers.flatMap((writer) => writer.failures)).toEqual([]);
      expect(publishes.filter(({ attempts }) => attempts.length === 0)).toEqual([]);
      expect(readers.flatMap((reader) => reader.surprises)).toEqual([]);
      const followings = readers.map((reader) => reader.following);
      const history = { epochs: [epoch], publishes, followings, reads: [], log };
      expect(violations(history).slice(0, 20), `seed ${SEED}`).toEqual([]);
      await Promise.all(reading.map(({ over }) => over));
    },
  );
});

function isAny(): boolean {
  return true;
}

function isFromTwo(message: Message): boolean {
  return message.subject === "from.two";
}

/** Followers of every kind: by handler and by loop, with a window of a few messages, with a filter, acking by hand. */
function follow(clients: DurableStream[]): { client: DurableStream; reader: Reader; over: Promise<void> }[] {
  return clients.map((client, index) => {
    const isFiltered = index === 2;
    const reader = new Reader(`reader ${index}`, isFiltered ? isFromTwo : isAny);
    let over: Promise<void>;
    if (index === 0) {
      over = client.subscribe({ stream: STREAM }, (event) => reader.take(event)).ended;
    } else if (index === 1) {
      over = client.subscribe({ stream: STREAM, maxInFlight: 8 }, async (event) => {
        reader.take(event);
        await Promise.resolve();
      }).ended;
    } else {
      over = readByLoop(client, reader, isFiltered ? { filter: "from.two" } : {});
    }
    return { client, reader, over };
  });
}

async function readByLoop(client: DurableStream, reader: Reader, filter: { filter?: string }): Promise<void> {
  const isManual = filter.filter === undefined;
  const params = { stream: STREAM, ...filter, maxInFlight: 64 };
  let unacked = 0;
  for await (const event of client.subscribe(params, { ack: isManual ? "manual" : "auto" })) {
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
