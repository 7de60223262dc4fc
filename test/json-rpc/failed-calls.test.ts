import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import { overrideWait } from "../harness/waits.ts";

type Line = { level: string; what: string; method: string; error: string; untold?: number };

beforeEach(() => {
  Reflect.set(env, "LOG_FAILED_CALLS", "true");
});

afterEach(() => {
  Reflect.set(env, "LOG_FAILED_CALLS", "");
  vi.restoreAllMocks();
});

/** The lines that are logged from now on. */
function listen(): () => Line[] {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  return () => log.mock.calls.map(([line]) => JSON.parse(String(line)) as Line);
}

it("logs a call that failed in one line with its method, its stream and the error, whichever way it was run", async () => {
  const client = await connect("/stream/of-the-path");
  const lines = listen();

  await client.callError("publish", { stream: "orders", data: "tea", subject: 7 });
  await client.callError("publish", { stream: "orders", data: "tea", expect: { lastSequence: 7 } });
  await client.callError("getConsumer", { consumer: "packers" });
  await client.callError("ack", { subscription: 1, through: 1 });
  await client.exchange('{"jsonrpc":"2.0","id":1,"method":"getConsumers"}');

  expect(lines()).toEqual([
    expect.objectContaining({ method: "publish", stream: "orders", error: "InvalidParams", at: "subject" }),
    expect.objectContaining({ method: "publish", stream: "orders", error: expect.stringMatching(/^Conflict: /) }),
    expect.objectContaining({
      method: "getConsumer",
      stream: "of-the-path",
      error: expect.stringMatching(/^NotFound: /),
    }),
    expect.objectContaining({ method: "ack", stream: "of-the-path", error: expect.stringMatching(/^NotFound: /) }),
    expect.objectContaining({
      method: "getConsumers",
      stream: "of-the-path",
      error: expect.stringMatching(/^MethodNotFound: /),
    }),
  ]);
  expect(lines().map(({ level, what }) => `${level} ${what}`)).toEqual(lines().map(() => "info a call failed"));
});

it("logs a notification that failed, and a frame that is no call", async () => {
  const client = await connect();
  const lines = listen();

  client.send('{"jsonrpc":"2.0","method":"getConsumer","params":{"stream":"orders","consumer":"none"}}');
  await client.exchange("{");

  await expect.poll(lines).toHaveLength(2);
  expect(lines()).toEqual(
    expect.arrayContaining([
      { level: "info", what: "a call failed", method: "getConsumer", stream: "orders", error: expect.any(String) },
      { level: "info", what: "a call failed", method: "", error: "ParseError: the text is not JSON" },
    ]),
  );
});

it("logs nothing of what a client sends but the method, the stream and where params do not fit", async () => {
  const client = await connect();
  const lines = listen();

  await client.callError("publish", { stream: "x".repeat(100_000), data: "secret", subject: "secret text" });
  await client.exchange(
    JSON.stringify({ jsonrpc: "2.0", id: 1, method: `secret${"y".repeat(100_000)}`, params: { token: "secret" } }),
  );

  const text = JSON.stringify(lines());
  expect(text.length).toBeLessThan(5_000);
  expect(text).not.toContain('"secret text"');
  expect(lines()[0]).toMatchObject({
    method: "publish",
    error: "InvalidParams",
    at: expect.stringContaining("subject"),
  });
});

it("has a few lines for a call that fails again and again, and tells how many had none", async () => {
  const client = await connect();
  const lines = listen();
  // The window that began before is over.
  await client.callError("getConsumer", { stream: "s", consumer: "none" });
  overrideWait("LOG_WINDOW_MS", 600_000);

  await Promise.all(
    Array.from({ length: 40 }, () => client.callError("getConsumer", { stream: "s", consumer: "none" })),
  );
  expect(lines()).toHaveLength(5);

  overrideWait("LOG_WINDOW_MS", 0);
  await client.callError("getConsumer", { stream: "s", consumer: "none" });
  expect(lines().at(-1)).toMatchObject({ method: "getConsumer", untold: 36 });
});

it("logs none unless it is told to: each line of a deployed Worker is billed", async () => {
  Reflect.set(env, "LOG_FAILED_CALLS", "");
  const client = await connect();
  const lines = listen();

  await client.callError("getConsumer", { stream: "orders", consumer: "packers" });

  expect(lines()).toEqual([]);
});
