import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { DurableStream } from "../../../rpc/client.ts";
import { startTimer } from "../../../rpc/client/time.ts";

import { pass, ScriptedServer, watch } from "../scripted-server.ts";

const HOUR_MS = 3_600_000;
const READ = { stream: "s" };

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Somebody sets the clock of the machine back: what has a deadline is under way already. */
function setBack(): void {
  vi.setSystemTime(Date.now() - HOUR_MS);
}

it.each<[string, (client: DurableStream) => Promise<unknown>]>([
  ["a read", (client) => client.getState(READ, { timeoutMs: 1_000 })],
  ["a change", (client) => client.putState({ stream: "s", state: 1 }, { timeoutMs: 1_000 })],
  ["a publish", (client) => client.publish({ stream: "s", data: 1 }, { timeoutMs: 1_000 })],
  ["a read of an object", (client) => client.objects.get("k", { timeoutMs: 1_000 })],
])("ends %s in its time when the wall clock is set back", async (_what, begin) => {
  const client = server.client();
  const begun = watch(begin(client));
  await pass();
  setBack();
  await pass(1_000);

  expect(begun.outcome).not.toBe("pending");
});

it("gives up a socket that is silent, or leaves a call unanswered, when the wall clock is set back", async () => {
  const options = { ping: { everyMs: 1_000, deadAfterMs: 3_000 } };
  const silent = server.client(options);
  watch(silent.getState(READ));
  await pass();
  setBack();
  await pass(3_001);
  expect(server.sockets).toHaveLength(2);

  const other = new ScriptedServer();
  const unanswered = other.client({ answerTimeoutMs: 5_000 });
  watch(unanswered.getState(READ));
  await pass();
  setBack();
  await pass(5_001);
  expect(other.sockets).toHaveLength(2);
});

it("sends a publish again after its pause when the wall clock is set back", async () => {
  const client = server.client();
  watch(client.publish({ stream: "s", data: 1 }));
  await pass();
  const error = { code: -32_012, message: "busy", data: { retryAfterMs: 500 } };
  server.socket.answer({ id: server.socket.calls()[0]?.id, error });
  await pass();
  setBack();
  await pass(501);

  expect(server.socket.calls("publish")).toHaveLength(2);
});

it("lets no deadline pass early when the wall clock is set forward", async () => {
  const client = server.client();
  const read = watch(client.getState(READ, { timeoutMs: 1_000 }));
  watch(client.getState(READ, { timeoutMs: 500 }));
  await pass();
  vi.setSystemTime(Date.now() + HOUR_MS);
  await pass(500);

  expect(read.outcome).toBe("pending");
});

it("starts a timer for a time that has just passed without a negative delay, of which Node.js warns", async () => {
  const delays = vi.spyOn(globalThis, "setTimeout");
  const run = vi.fn<() => void>();
  startTimer(-0.5, run);
  await pass();

  expect(delays.mock.calls).toEqual([[run, 0]]);
  expect(run).toHaveBeenCalledOnce();
});
