import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { DurableStream } from "../../../rpc/client.ts";

import { pass, ScriptedServer, watch } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
});

const STREAM = { stream: "s" };
const busy = { code: -32_012, message: "busy", data: { retryAfterMs: 5_000 } };

/** Answers everything so. */
function answerAll(answer: object): void {
  server.onConnect = (socket) => {
    socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, ...answer }));
    queueMicrotask(() => socket.open());
  };
}

it.each<[what: string, begin: () => { client: DurableStream; all: Promise<unknown>[] }]>([
  [
    "a token",
    () => {
      const client = server.client({ token: () => new Promise(() => undefined) });
      return { client, all: [client.publish({ ...STREAM, data: 1 }), client.subscribe(STREAM).next()] };
    },
  ],
  [
    "a handshake",
    () => {
      server.onConnect = () => undefined;
      const client = server.client();
      return { client, all: [client.getState(STREAM), client.subscribe(STREAM, { timeoutMs: 60_000 }).next()] };
    },
  ],
  [
    "the next attempt to connect",
    () => {
      server.onConnect = (socket) => queueMicrotask(() => socket.end());
      const client = server.client({ reconnect: { leastMs: 60_000, mostMs: 60_000 } });
      return { client, all: [client.getState(STREAM)] };
    },
  ],
  [
    "answers",
    () => {
      const client = server.client();
      const consumed = client.subscribe({ ...STREAM, consumer: "c" }).next();
      return { client, all: [client.getState(STREAM), client.publish({ ...STREAM, data: 1 }), consumed] };
    },
  ],
  [
    "a pause before something is sent again",
    () => {
      answerAll({ error: busy });
      const client = server.client({ fetch: false });
      const put = client.objects.put("k", new Uint8Array(1_000_000));
      return { client, all: [client.publish({ ...STREAM, data: 1 }), client.subscribe(STREAM).next(), put] };
    },
  ],
])("closing leaves no timer and no promise behind while the client waits for %s", async (_what, begin) => {
  const { client, all } = begin();
  const outcomes = all.map(watch);
  await pass(1);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(outcomes.map(() => "pending"));
  const closing = watch(client.close({ timeoutMs: 1 }));
  await pass(1);

  expect(closing.outcome).toEqual({ value: undefined });
  expect(outcomes.filter(({ outcome }) => outcome === "pending")).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
