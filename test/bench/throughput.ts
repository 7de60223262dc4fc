/**
 * How much goes through one server on this machine: `npm run bench`, or `npm run bench -- --rounds 5`.
 *
 * The built Worker runs in workerd under Miniflare with its storage on disk, every commit synced; the driver is another
 * process on the same cores, so the figures are of both together. Cases are interleaved, a round after the other, and
 * the median is shown with the lowest and highest. Compare ratios within one run, never figures of two.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { WebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";
import { buildWorker } from "../e2e/server/build-worker.ts";
import { Server } from "../e2e/server/server.ts";

const DATA = { user: "a-typical-user-name", action: "updated", amount: 1234.56, note: "some text to make it 100 b" };
/** JSON-RPC calls in one batch; the server takes 50. */
const BATCH_CALLS = 50;
/** Requests in flight on one socket; the server takes 64. */
const WINDOW = 64;

type Case = { name: string; unit: string; run: (server: Server, stream: string) => Promise<number> };

/** A socket that does nothing but send text and count what comes back. */
class Driver {
  readonly ws: WebSocket;
  onFrame: (frame: string) => void = () => undefined;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on("message", (data: Buffer) => this.onFrame(data.toString()));
  }

  static async connect(server: Server): Promise<Driver> {
    const ws = new WebSocket(`${server.url.replace("http", "ws")}/rpc`, {
      headers: { Authorization: `Bearer ${server.apiKey}` },
      perMessageDeflate: false,
    });
    const driver = new Driver(ws);
    await new Promise((resolve, reject) => {
      ws.once("open", resolve);
      ws.once("error", reject);
    });
    return driver;
  }

  /** Sends frames with so many unanswered at a time, and returns once all are answered. */
  async pump(frames: (index: number) => string, count: number, window: number): Promise<void> {
    let sent = 0;
    let answered = 0;
    await new Promise<void>((resolve, reject) => {
      const send = () => {
        while (sent < count && sent - answered < window) {
          this.ws.send(frames(sent));
          sent += 1;
        }
      };
      this.onFrame = (frame) => {
        if (frame.startsWith('{"jsonrpc":"2.0","method"')) {
          return;
        }
        if (frame.includes('"error"')) {
          reject(new Error(frame));
        }
        answered += 1;
        if (answered === count) {
          resolve();
        } else {
          send();
        }
      };
      send();
    });
  }

  async call(method: string, params: unknown): Promise<void> {
    await this.pump(() => JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }), 1, 1);
  }
}

function publishFrame(stream: string, index: number): string {
  return JSON.stringify({ jsonrpc: "2.0", id: index, method: "publish", params: { stream, data: DATA } });
}

/** Messages a second. */
async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}

async function publishSingles(server: Server, stream: string, shape: { publishers: number; window: number }) {
  const count = shape.window === 1 ? 1_000 : 10_000;
  const drivers = await Promise.all(Array.from({ length: shape.publishers }, () => Driver.connect(server)));
  const each = Math.floor(count / shape.publishers);
  const rate = await perSecond(each * shape.publishers, async () => {
    await Promise.all(drivers.map((driver) => driver.pump((index) => publishFrame(stream, index), each, shape.window)));
  });
  drivers.forEach(({ ws }) => ws.close());
  return rate;
}

async function publishCalls(server: Server, stream: string): Promise<number> {
  const driver = await Driver.connect(server);
  const calls = Array.from({ length: BATCH_CALLS }, (_, index) => publishFrame(stream, index));
  const frame = `[${calls.join(",")}]`;
  const rate = await perSecond(400 * BATCH_CALLS, () => driver.pump(() => frame, 400, 1));
  driver.ws.close();
  return rate;
}

/** The client, with so many publishes open at a time: as each is answered, the next one is made. */
async function publishByClient(server: Server, stream: string, window: number): Promise<number> {
  const client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket });
  await client.publish({ stream, data: DATA });
  const count = window === 1 ? 1_000 : 20_000;
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await client.publish({ stream, data: DATA });
    }
  };
  const rate = await perSecond(count, async () => {
    await Promise.all(Array.from({ length: window }, worker));
  });
  await client.close();
  return rate;
}

async function publishBatches(server: Server, stream: string): Promise<number> {
  const driver = await Driver.connect(server);
  await fill(driver, stream, 1_000);
  const rate = await perSecond(100_000, () => fill(driver, stream, 100_000));
  driver.ws.close();
  return rate;
}

async function fill(driver: Driver, stream: string, count: number): Promise<void> {
  const messages = Array.from({ length: 500 }, () => ({ data: DATA }));
  const params = JSON.stringify({ stream, messages });
  await driver.pump((id) => `{"jsonrpc":"2.0","id":${id},"method":"publishBatch","params":${params}}`, count / 500, 4);
}

/** Deliveries a second to followers that ack at half their window. */
async function follow(server: Server, stream: string, followers: number, publish: (driver: Driver) => Promise<number>) {
  const publisher = await Driver.connect(server);
  await publisher.call("configureStream", { stream });
  let delivered = 0;
  let wanted = Number.POSITIVE_INFINITY;
  const done = Promise.withResolvers<void>();
  const drivers = await Promise.all(
    Array.from({ length: followers }, async () => {
      const driver = await Driver.connect(server);
      await driver.call("subscribe", { stream, maxInFlight: 4096 });
      let unacked = 0;
      driver.onFrame = (frame) => {
        // Counted without parsing, so that the driver is not what is measured.
        let count = 0;
        for (let at = frame.indexOf('{"sequence":'); at !== -1; at = frame.indexOf('{"sequence":', at + 12)) {
          count += 1;
        }
        delivered += count;
        unacked += count;
        if (unacked >= 2048) {
          unacked = 0;
          const at = frame.lastIndexOf('{"sequence":') + 12;
          const through = frame.slice(at, frame.indexOf(",", at));
          const params = `{"subscription":1,"through":${through}}`;
          driver.ws.send(`{"jsonrpc":"2.0","method":"ack","params":${params}}`);
        }
        if (delivered >= wanted) {
          done.resolve();
        }
      };
      return driver;
    }),
  );
  const start = performance.now();
  wanted = (await publish(publisher)) * followers;
  if (delivered < wanted) {
    await done.promise;
  }
  const rate = (wanted * 1000) / (performance.now() - start);
  [publisher, ...drivers].forEach(({ ws }) => ws.close());
  return rate;
}

async function replay(server: Server, stream: string): Promise<number> {
  const count = 100_000;
  const publisher = await Driver.connect(server);
  await fill(publisher, stream, count);
  publisher.ws.close();
  return follow(server, stream, 1, async () => count);
}

const CASES: Case[] = [
  {
    name: "publish, one at a time",
    unit: "msgs/s",
    run: (server, stream) => publishSingles(server, stream, { publishers: 1, window: 1 }),
  },
  {
    name: `publish, window ${WINDOW}`,
    unit: "msgs/s",
    run: (server, stream) => publishSingles(server, stream, { publishers: 1, window: WINDOW }),
  },
  {
    name: `publish, 8 sockets x ${WINDOW}`,
    unit: "msgs/s",
    run: (server, stream) => publishSingles(server, stream, { publishers: 8, window: WINDOW }),
  },
  { name: `publish, JSON-RPC batches of ${BATCH_CALLS}`, unit: "msgs/s", run: publishCalls },
  { name: "client, window 1", unit: "msgs/s", run: (server, stream) => publishByClient(server, stream, 1) },
  { name: "client, window 256", unit: "msgs/s", run: (server, stream) => publishByClient(server, stream, 256) },
  { name: "client, window 4,096", unit: "msgs/s", run: (server, stream) => publishByClient(server, stream, 4_096) },
  { name: "publishBatch of 500", unit: "msgs/s", run: publishBatches },
  {
    name: "fan-out to 100, published in batches",
    unit: "deliveries/s",
    run: (server, stream) =>
      follow(server, stream, 100, async (driver) => fill(driver, stream, 10_000).then(() => 10_000)),
  },
  {
    name: "fan-out to 100, one at a time",
    unit: "deliveries/s",
    run: (server, stream) =>
      follow(server, stream, 100, async (driver) =>
        driver.pump((index) => publishFrame(stream, index), 300, 1).then(() => 300),
      ),
  },
  { name: "replay of 100,000", unit: "msgs/s", run: replay },
];

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" }, only: { type: "string" } } });
const rounds = Number(values.rounds);
const folder = await mkdtemp(join(tmpdir(), "durable-stream-bench-"));
const cases = CASES.filter(({ name }) => values.only === undefined || name.includes(values.only));
const rates = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
try {
  await buildWorker(join(folder, "worker"));
  await using server = new Server({
    worker: join(folder, "worker"),
    data: join(folder, "data"),
    vars: { GATEWAY_SHARDS: "1" },
  });
  await server.start();
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, { name, unit, run }] of cases.entries()) {
      const rate = await run(server, `bench-${round}-${index}`);
      rates.get(name)?.push(rate);
      process.stdout.write(`round ${round}  ${name.padEnd(40)} ${format(rate)} ${unit}\n`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

process.stdout.write(
  `\n${"case".padEnd(40)} ${"median".padStart(10)} ${"lowest".padStart(10)} ${"highest".padStart(10)}\n`,
);
for (const { name, unit } of cases) {
  const sorted = (rates.get(name) ?? []).toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const row = [median, sorted[0] ?? 0, sorted.at(-1) ?? 0].map(format).join(" ");
  process.stdout.write(`${name.padEnd(40)} ${row} ${unit}\n`);
}

function format(rate: number): string {
  return Math.round(rate).toLocaleString("en-US").padStart(10);
}
