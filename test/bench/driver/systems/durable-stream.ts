/** Durable Stream by raw frames: prepared requests out, answers and messages counted without being parsed. */
import { ErrorCode } from "../../../../rpc/index.ts";
import { CONSUMER_WINDOW, FOLLOWER_ACK_MS, FOLLOWER_WINDOW, WORKER_WINDOW } from "../driver.ts";
import type { Connection, Driver, OnMessages, Publisher, Start } from "../driver.ts";
import { RequestWindow } from "../window.ts";
import { RawWebSocket, textFrame } from "../web-socket.ts";

/** How a Durable Stream is reached. */
export type DurableStreamEndpoint = { readonly url: string; readonly apiKey: string };

/** The limits that a driver keeps to, as the server tells them. */
type Limits = { frameBytes: number; batchCalls: number; batchMessages: number; requestsInFlight: number };

type Answer = { id: number; result?: unknown; error?: { code: number; message: string } };

const NOTIFICATION = '{"jsonrpc":"2.0","method":';
const MESSAGES = '{"jsonrpc":"2.0","method":"messages"';
const FILL_BYTES = 500_000;
/** At most what a publish has besides its data. */
const CALL_BYTES = 150;

/** One socket of the server. */
class RpcSocket {
  readonly #ws: RawWebSocket;
  onFrame: (frame: Buffer) => void = () => undefined;

  private constructor(ws: RawWebSocket) {
    this.#ws = ws;
    ws.onFrame = (frame) => this.onFrame(frame);
  }

  static async connect({ url, apiKey }: DurableStreamEndpoint): Promise<RpcSocket> {
    return new RpcSocket(await RawWebSocket.connect(new URL("/rpc", url), { Authorization: `Bearer ${apiKey}` }));
  }

  set onLost(listener: (error: Error) => void) {
    this.#ws.onLost = listener;
  }

  send(frame: Buffer): void {
    this.#ws.send(frame);
  }

  /** Makes one call while nothing else is under way; what comes before its answer goes on to `onFrame`. */
  async call<T>(method: string, params: object): Promise<T> {
    const { onFrame } = this;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.onLost = reject;
    this.onFrame = (frame) => {
      if (isNotification(frame)) {
        onFrame(frame);
        return;
      }
      const { result, error }: Answer = JSON.parse(frame.toString());
      if (error === undefined) {
        resolve(result as T);
      } else {
        reject(new Error(`${method}: ${error.code} ${error.message}`));
      }
      this.onFrame = onFrame;
    };
    this.send(textFrame(request(1, method, JSON.stringify(params))));
    return promise;
  }

  close(): void {
    this.#ws.close();
  }
}

/** @param way Each publish in a frame of its own, or JSON-RPC batches of them. */
export async function durableStreamDriver(endpoint: DurableStreamEndpoint, way: "frames" | "batches"): Promise<Driver> {
  const { limits } = await withSocket(endpoint, (socket) => socket.call<{ limits: Limits }>("getServerInfo", {}));
  const call = (method: string, params: object) =>
    withSocket(endpoint, async (socket) => void (await socket.call(method, params)));
  return {
    create: (stream) => call("configureStream", { stream }),
    drop: (stream) => call("deleteStream", { stream }),
    publisher: (streams, data) => publisher(endpoint, { way, limits }, streams, data),
    fill: (stream, data, count) => withSocket(endpoint, (socket) => fill(socket, limits, { stream, data, count })),
    follower: (stream, start, onMessages) => follower(endpoint, stream, start, onMessages),
    hasPositions: true,
    createConsumer: (stream) => call("createConsumer", { stream, consumer: "workers", maxInFlight: CONSUMER_WINDOW }),
    worker: (stream, onMessages) => worker(endpoint, stream, onMessages),
    idle: () => RpcSocket.connect(endpoint),
  };
}

async function publisher(
  endpoint: DurableStreamEndpoint,
  { way, limits }: { way: "frames" | "batches"; limits: Limits },
  streams: readonly string[],
  data: string,
): Promise<Publisher> {
  const socket = await RpcSocket.connect(endpoint);
  /** By how many publishes are in a frame. */
  const prepared = new Map<number, Buffer[]>();
  let frames: Buffer[] = [];
  let calls = 1;
  const window = new RequestWindow((index) => socket.send(frames[index % frames.length] ?? Buffer.alloc(0)));
  return {
    async publish(count, open, latencies) {
      const allowed = Math.min(open, limits.requestsInFlight);
      calls = way === "frames" ? 1 : Math.min(limits.batchCalls, allowed, callsOfFrame(limits, data));
      frames = prepared.get(calls) ?? preparedFrames(streams, data, { calls, window: allowed });
      prepared.set(calls, frames);
      socket.onLost = (error) => window.fail(error);
      socket.onFrame = (frame) => answered(window, frame);
      const requests = Math.ceil(count / calls);
      await window.run(requests, Math.max(1, Math.floor(allowed / calls)), latencies);
      return requests * calls;
    },
    post(index) {
      calls = 1;
      frames = prepared.get(1) ?? preparedFrames(streams, data, { calls, window: 1 });
      prepared.set(1, frames);
      socket.onFrame = (frame) => answered(window, frame);
      window.post(index);
    },
    repeated: () => window.repeated * calls,
    mostOpen: limits.requestsInFlight,
    close: () => socket.close(),
  };
}

/** How many publishes fit in a frame. */
function callsOfFrame({ frameBytes }: Limits, data: string): number {
  return Math.max(1, Math.floor(frameBytes / (data.length + CALL_BYTES)));
}

/** As many different frames as may be open at once, so that each open call has an id of its own. */
function preparedFrames(
  streams: readonly string[],
  data: string,
  { calls, window }: { calls: number; window: number },
): Buffer[] {
  const publishes = Array.from({ length: Math.max(window, streams.length) }, (_, id) =>
    request(id, "publish", `{"stream":"${streams[id % streams.length]}","data":${data}}`),
  );
  if (calls === 1) {
    return publishes.map(textFrame);
  }
  const count = Math.max(1, Math.floor(publishes.length / calls));
  return Array.from({ length: count }, (_, index) =>
    textFrame(`[${publishes.slice(index * calls, (index + 1) * calls).join(",")}]`),
  );
}

/** One frame that answers one request: a call, or a batch of which all calls are answered. */
function answered(window: RequestWindow, frame: Buffer): void {
  if (!frame.includes('"error":')) {
    window.answered(1);
    return;
  }
  const answers: Answer | Answer[] = JSON.parse(frame.toString());
  const errors = [answers].flat().filter(({ error }) => error !== undefined);
  if (errors.every(({ error }) => error?.code === ErrorCode.Busy)) {
    // Of a batch all is sent again, also what was stored: it is counted as repeated, and not as published.
    window.refused(1);
  } else {
    window.fail(new Error(JSON.stringify(errors[0]).slice(0, 300)));
  }
}

async function fill(
  socket: RpcSocket,
  limits: Limits,
  { stream, data, count }: { stream: string; data: string; count: number },
): Promise<void> {
  const most = Math.max(1, Math.min(limits.batchMessages, Math.floor(FILL_BYTES / (data.length + 10))));
  const frameOf = (messages: number) => {
    const list = Array.from({ length: messages }, () => `{"data":${data}}`).join(",");
    return textFrame(request(1, "publishBatch", `{"stream":"${stream}","messages":[${list}]}`));
  };
  const whole = frameOf(most);
  const requests = Math.ceil(count / most);
  const last = frameOf(count - (requests - 1) * most);
  const window = new RequestWindow((index) => socket.send(index === requests - 1 ? last : whole));
  socket.onLost = (error) => window.fail(error);
  socket.onFrame = (frame) => answered(window, frame);
  await window.run(requests, 4);
}

async function follower(
  endpoint: DurableStreamEndpoint,
  stream: string,
  start: Start,
  onMessages: OnMessages,
): Promise<Connection> {
  const socket = await RpcSocket.connect(endpoint);
  let acked = 0;
  let last = 0;
  const ack = () => {
    if (last > acked) {
      acked = last;
      socket.send(textFrame(notification("ack", `{"subscription":1,"through":${last}}`)));
    }
  };
  socket.onFrame = (frame) => {
    if (!frame.includes(MESSAGES)) {
      return;
    }
    const previous = numberAfter(frame, '"previous":', 0);
    // Streams of a measure have no gaps, so the last sequence tells how many came. No data looks like a message's head.
    last = numberAfter(frame, '{"sequence":', frame.lastIndexOf('{"sequence":'));
    acked = acked === 0 ? previous : acked;
    if (last - acked >= FOLLOWER_WINDOW / 2) {
      ack();
    }
    onMessages(last - previous);
  };
  const timer = setInterval(ack, FOLLOWER_ACK_MS);
  const from = typeof start === "string" ? start : { sequence: start.stored - start.behind + 1 };
  await socket.call("subscribe", { stream, from, maxInFlight: FOLLOWER_WINDOW });
  return {
    close: () => {
      clearInterval(timer);
      socket.close();
    },
  };
}

async function worker(endpoint: DurableStreamEndpoint, stream: string, onMessages: OnMessages): Promise<Connection> {
  const socket = await RpcSocket.connect(endpoint);
  socket.onFrame = (frame) => {
    if (!frame.includes(MESSAGES)) {
      return;
    }
    // A consumer's messages may have gaps, so each is looked for.
    const sequences: number[] = [];
    for (let at = frame.indexOf('"sequence":'); at !== -1; at = frame.indexOf('"sequence":', at + 11)) {
      sequences.push(numberAfter(frame, '"sequence":', at));
    }
    socket.send(textFrame(notification("ack", `{"subscription":1,"sequences":[${sequences.join(",")}]}`)));
    onMessages(sequences.length);
  };
  await socket.call("subscribe", { stream, consumer: "workers", maxInFlight: WORKER_WINDOW });
  return socket;
}

async function withSocket<T>(endpoint: DurableStreamEndpoint, use: (socket: RpcSocket) => Promise<T>): Promise<T> {
  const socket = await RpcSocket.connect(endpoint);
  try {
    return await use(socket);
  } finally {
    socket.close();
  }
}

function isNotification(frame: Buffer): boolean {
  return frame.subarray(0, NOTIFICATION.length).equals(NOTIFICATION_BYTES);
}

const NOTIFICATION_BYTES = Buffer.from(NOTIFICATION);

/** The number that stands right after some text, from a place on. */
function numberAfter(frame: Buffer, text: string, from: number): number {
  let at = frame.indexOf(text, from) + text.length;
  let number = 0;
  for (let digit = frame[at] ?? 0; digit >= 48 && digit <= 57; digit = frame[(at += 1)] ?? 0) {
    number = number * 10 + digit - 48;
  }
  return number;
}

function request(id: number, method: string, params: string): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}`;
}

function notification(method: string, params: string): string {
  return `{"jsonrpc":"2.0","method":"${method}","params":${params}}`;
}
