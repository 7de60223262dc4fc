/** What a client may do that does not read: each of these once filled the server's memory. */
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import { LIMITS } from "../../../rpc/index.ts";
import { Client } from "../server/client.ts";
import type { Target } from "../server/client.ts";

/** A stream of messages to be read: {@link fill} makes it. */
const STREAM = "bounds";
const MESSAGE_CHARACTERS = 10_000;
const BATCH = 100;
/** Long enough for a server that is fast to make what it was asked for, and for one that is slow to have begun. */
const ROUND_MS = 600;

/** Until when, and whether nothing is read of what the server sends. */
type Way = { readonly signal: AbortSignal; readonly isUnread: boolean };

/** One way to make the server hold what nobody reads. */
export type BoundsCase = {
  readonly name: string;
  /** What a client of it opens: one socket, or a hundred connections of HTTP. */
  readonly over: "socket" | "http";
  /** Whether it is sent messages of subscriptions, which it does not ack. */
  readonly hasSubscriptions?: true;
  /** Does it as one client, until the signal; what it opens stays open until then. */
  readonly run: (target: Target, way: Way) => Promise<void>;
};

/** Each case, in the order in which it is printed. */
export const CASES: readonly BoundsCase[] = [
  {
    over: "socket",
    hasSubscriptions: true,
    name: "100 x subscribe with maxInFlight 10,000",
    run: (target, way) => subscribe(target, way, fromFirst),
  },
  {
    over: "socket",
    hasSubscriptions: true,
    name: "the same with redelivery every 100 ms",
    run: (target, way) => subscribe(target, way, () => ({ ...fromFirst(), ackWaitMs: 100, maxDeliver: 100 })),
  },
  {
    over: "socket",
    hasSubscriptions: true,
    name: "100 x subscribe to a consumer with maxInFlight 10,000",
    run: (target, way) => subscribe(target, way, (index) => ({ consumer: `${index}` })),
  },
  {
    over: "socket",
    name: "60 x getMessages every 0.6 s",
    run: (target, way) => repeat(target, way, { method: "getMessages", params: { stream: STREAM } }),
  },
  {
    over: "socket",
    name: "60 x rpc.discover every 0.6 s",
    run: (target, way) => repeat(target, way, { method: "rpc.discover" }),
  },
  { over: "http", name: "100 POST /rpc of 10 getMessages", run: (target, way) => post(target, way, pages()) },
  { over: "http", name: "100 POST /rpc of a publishBatch", run: (target, way) => post(target, way, publishes()) },
];

/** What as many requests take that the Worker answers at once: most of it is the runtime's. */
export const FLOOR: BoundsCase = {
  over: "http",
  name: "100 GET /health",
  run: (target, way) => request(target, way, { line: "GET /health", body: "" }),
};

/** Makes the stream that the cases read, 20 MB of messages, and its consumers. */
export async function fill(client: Client): Promise<void> {
  const data = "x".repeat(MESSAGE_CHARACTERS);
  for (let batch = 0; batch < 20; batch += 1) {
    await client.call("publishBatch", { stream: STREAM, messages: Array.from({ length: BATCH }, () => ({ data })) });
  }
  for (let index = 0; index < LIMITS.consumers; index += 1) {
    await client.call("createConsumer", { stream: STREAM, consumer: `${index}`, maxInFlight: 10_000 });
  }
}

function fromFirst(): object {
  return { from: "first" };
}

/** A socket that sends and, if it is to, reads nothing from then on. */
async function open(target: Target, { signal, isUnread }: Way): Promise<Client> {
  const client = await Client.connect(target);
  if (isUnread) {
    client.pause();
  }
  signal.addEventListener("abort", () => client.terminate(), { once: true });
  return client;
}

/** A hundred subscriptions. @param options Of each. */
async function subscribe(target: Target, way: Way, options: (index: number) => object): Promise<void> {
  const client = await open(target, way);
  const common = { stream: STREAM, maxInFlight: 10_000 };
  sendEach(client, 100, (index) => ({ method: "subscribe", params: { ...common, ...options(index) } }));
  await whenAborted(way.signal);
}

/**
 * Asks again and again, without reading an answer. A socket that was closed for it is opened anew. Clients begin together, and
 * go on each by a clock of its own, as those of different machines do.
 */
async function repeat(target: Target, way: Way, call: object): Promise<void> {
  let client = await open(target, way);
  while (!way.signal.aborted) {
    if (client.closed !== undefined) {
      client = await open(target, way);
    }
    sendEach(client, 60, () => call);
    await delay(ROUND_MS * (0.5 + Math.random()), undefined, { signal: way.signal }).catch(() => undefined);
  }
}

function post(target: Target, way: Way, body: string): Promise<void> {
  return request(target, way, { line: "POST /rpc", body });
}

/** Sends the same request on a hundred connections, and reads none of the answers. */
async function request(
  { url, apiKey }: Target,
  { signal, isUnread }: Way,
  { line, body }: { line: string; body: string },
): Promise<void> {
  const { hostname, port, host } = new URL(url);
  const head = [
    `${line} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: Bearer ${apiKey}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].join("\r\n");
  for (let index = 0; index < 100; index += 1) {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on("error", () => undefined);
    if (!isUnread) {
      socket.resume();
    }
    socket.write(`${head}\r\n\r\n${body}`);
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
  }
  await whenAborted(signal);
}

function pages(): string {
  const calls = Array.from({ length: 10 }, (_, id) => ({
    jsonrpc: "2.0",
    id,
    method: "getMessages",
    params: { stream: STREAM },
  }));
  return JSON.stringify(calls);
}

function publishes(): string {
  const messages = Array.from({ length: 4 }, () => ({ data: "x".repeat(250_000) }));
  return JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "publishBatch",
    params: { stream: "bounds-posted", messages },
  });
}

function sendEach(client: Client, count: number, call: (index: number) => object): void {
  for (let id = 0; id < count; id += 1) {
    client.send(JSON.stringify({ jsonrpc: "2.0", id, ...call(id) }));
  }
}

async function whenAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
}
