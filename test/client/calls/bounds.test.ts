import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { DurableStream } from "../../../rpc/client.ts";
import { pass, ScriptedServer, watch } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
  // Nobody answers the handshake.
  server.onConnect = () => undefined;
});

afterEach(() => {
  vi.useRealTimers();
});

const MEGABYTE = 1_048_576;

/** Bytes of the heap that are in use. */
function heapBytes(): number {
  setFlagsFromString("--expose_gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  return process.memoryUsage().heapUsed;
}

it.each<[name: string, call: (client: DurableStream, text: string) => Promise<unknown>]>([
  ["calls", (client, state) => client.putState({ stream: "s", state }, { timeoutMs: 10 })],
  ["publishes", (client, data) => client.publish({ stream: "s", data }, { timeoutMs: 10 })],
])("%s that have expired while there is no connection are not kept", async (_name, call) => {
  const client = server.client({ connectTimeoutMs: 1_000_000 });
  // It stays at the head of the queue.
  watch(client.publish({ stream: "s", data: "first" }, { timeoutMs: 1_000_000 }));
  const before = heapBytes();
  for (let count = 0; count < 200; count += 1) {
    const expired = watch(call(client, `${count}`.padEnd(MEGABYTE / 2, "x")));
    await pass(10);
    expect(expired.outcome).toMatchObject({ error: { name: "Unavailable" } });
  }

  // 100 MB, if they were.
  expect(heapBytes() - before).toBeLessThan(30 * MEGABYTE);
  watch(client.close({ timeoutMs: 0 }));
  await pass();
});

it("waits as long as it is told to, longer than a timer can", async () => {
  const started = vi.spyOn(globalThis, "setTimeout");
  const call = watch(server.client({ connectTimeoutMs: 1e12 }).getServerInfo({}, { timeoutMs: 1e12 }));
  await pass(1_000);

  expect(call.outcome).toBe("pending");
  expect(started.mock.calls.length).toBeLessThan(10);
});
