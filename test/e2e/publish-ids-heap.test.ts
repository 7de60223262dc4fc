import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";
import { expect, inject } from "vitest";
import { WebSocket } from "ws";

import { OFFLINE, SCRIPT } from "../../scripts/server/options.ts";

import { test } from "./server/fixtures.ts";

/** As many as a stream remembers. */
const IDS = 200_000;
const FRAME_IDS = 250;
const MOST_BYTES = 2_000_000;
const API_KEY = "heap-key";
const WAKE_EVERY_MS = 100;

let asked = 0;

type Inspected = { miniflare: Miniflare; url: URL; socket: WebSocket };

/** The Worker in a workerd whose heap can be asked for. */
async function serveInspected(worker: string, data: string): Promise<Inspected> {
  const options: V4WorkerOptions = JSON.parse(await readFile(join(worker, "options.json"), "utf8"));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...options,
      name: SCRIPT,
      modules: true,
      rootPath: worker,
      scriptPath: join(worker, "worker.js"),
      bindings: { ...options.bindings, API_KEY, GATEWAY_SHARDS: "1" },
      host: "127.0.0.1",
      port: 0,
      inspectorPort: 0,
      resourcePersistencePath: data,
      ...OFFLINE,
    }),
  );
  const url = await miniflare.ready;
  const inspector = await miniflare.getInspectorURL();
  const targets = (await (await fetch(new URL("/json", inspector.href.replace("ws:", "http:")))).json()) as {
    id: string;
    webSocketDebuggerUrl: string;
  }[];
  const target = targets.find(({ id }) => id.includes(SCRIPT));
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
  await new Promise((resolve) => socket.once("open", resolve));
  return { miniflare, url, socket };
}

/** Calls the inspector. An idle isolate may leave its message unread until the next request, so there are some. */
async function ask({ url, socket }: Inspected, method: string): Promise<Record<string, number>> {
  const { promise, resolve } = Promise.withResolvers<Record<string, number>>();
  const id = (asked += 1);
  const take = (frame: Buffer) => {
    const answer = JSON.parse(frame.toString()) as { id?: number; result: Record<string, number> };
    if (answer.id === id) {
      resolve(answer.result);
    }
  };
  socket.on("message", take);
  socket.send(JSON.stringify({ id, method }));
  const waking = setInterval(() => void fetch(new URL("/health", url)), WAKE_EVERY_MS);
  try {
    return await promise;
  } finally {
    clearInterval(waking);
    socket.off("message", take);
  }
}

/** Bytes that live objects have, and the buffers they hold. */
async function heapBytes(inspected: Inspected): Promise<number> {
  await ask(inspected, "HeapProfiler.collectGarbage");
  const { usedSize = NaN, backingStorageSize = NaN } = await ask(inspected, "Runtime.getHeapUsage");
  return usedSize + backingStorageSize;
}

type Publish = { stream: string; data: number; id?: string };

async function publish(url: URL, calls: readonly Publish[]): Promise<{ result: { duplicate: boolean } }[]> {
  const body = JSON.stringify(calls.map((params, id) => ({ jsonrpc: "2.0", id, method: "publish", params })));
  const headers = { Authorization: `Bearer ${API_KEY}` };
  const response = await fetch(new URL("/rpc", url), { method: "POST", headers, body });
  return (await response.json()) as { result: { duplicate: boolean } }[];
}

/** Of 128 characters, which is the most. */
function idOf(index: number): string {
  return `order-${index}-`.padEnd(128, "x");
}

async function fill(url: URL, stream: string, hasIds: boolean): Promise<void> {
  for (let first = 0; first < IDS; first += FRAME_IDS) {
    const calls = Array.from({ length: FRAME_IDS }, (_, index): Publish => {
      return { stream, data: 1, ...(hasIds ? { id: idOf(first + index) } : {}) };
    });
    await publish(url, calls);
  }
}

test(
  "200,000 publish ids take at most 2 MB of heap, also of a stream that slept",
  { timeout: 180_000 },
  async ({ data }) => {
    const inspected = await serveInspected(inject("worker"), data);
    const { miniflare, url, socket } = inspected;
    try {
      await fill(url, "without", false);
      const without = await heapBytes(inspected);
      await fill(url, "with", true);
      const filled = (await heapBytes(inspected)) - without;
      await miniflare.unsafeEvictDurableObject(SCRIPT, "Stream", { name: "with" });
      const known = { stream: "with", data: 1, id: idOf(IDS / 2) };
      const [duplicate] = await publish(url, [known]);
      const woken = (await heapBytes(inspected)) - without;

      expect(duplicate?.result.duplicate).toBe(true);
      expect({ filled, woken }).toEqual({ filled: expect.toSatisfy(isLittle), woken: expect.toSatisfy(isLittle) });
    } finally {
      socket.close();
      await miniflare.dispose();
    }
  },
);

function isLittle(bytes: number): boolean {
  return bytes <= MOST_BYTES;
}
