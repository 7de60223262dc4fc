import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { logError } from "../../src/platform/log.ts";
import { connect } from "../harness/client.ts";
import { overrideWait } from "../harness/waits.ts";

type Line = { level: string; what: string; requestId: string; untold?: number; error: string; stack?: string };

afterEach(() => {
  vi.restoreAllMocks();
});

/** The lines that are logged from now on. */
function listen(): () => Line[] {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  return () => log.mock.calls.map(([line]) => JSON.parse(String(line)) as Line);
}

it("tells a fault in one line of JSON: what, which, why and where", () => {
  const lines = listen();

  const requestId = logError("a test failed", new TypeError("a reason\non two lines"), { stream: "orders" });

  expect(lines()).toEqual([
    {
      level: "error",
      what: "a test failed",
      requestId,
      stream: "orders",
      error: "a reason\non two lines",
      stack: expect.stringContaining("log.test"),
    },
  ]);
});

it("bounds a line, whatever a message quotes", () => {
  const lines = listen();

  logError("a test failed at length", new Error("x".repeat(100_000)));
  logError("a test failed at length", "x".repeat(100_000));

  expect(lines().map((line) => JSON.stringify(line).length < 5_000)).toEqual([true, true]);
});

it("has a few lines for a fault that a client has again and again, and each id that it is told in one of them", async () => {
  const client = await connect();
  const stream = "broken-often";
  await client.call("putState", { stream, state: 1 });
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    storage.sql.exec("DROP TABLE stream");
  });
  const lines = listen();
  // The window that began with the fault before is over.
  await client.callError("getState", { stream });
  overrideWait("LOG_WINDOW_MS", 600_000);

  const failed = await Promise.all(Array.from({ length: 40 }, () => client.callError("getState", { stream })));

  const told = lines();
  const ids = new Set<unknown>(told.map(({ requestId }) => requestId));
  expect(told.map(({ what }) => what)).toEqual(told.map(() => "a call to an object failed"));
  expect(told).toHaveLength(5);
  expect(failed.filter(({ data }) => !ids.has(data?.["requestId"]))).toEqual([]);

  overrideWait("LOG_WINDOW_MS", 0);
  await client.callError("getState", { stream });

  expect(lines().at(-1)).toMatchObject({ untold: 36, stream });
});

it("has lines for one kind of fault, however many of another there are", () => {
  const lines = listen();
  overrideWait("LOG_WINDOW_MS", 600_000);

  for (let each = 0; each < 100; each += 1) {
    logError("a frequent test failed", new Error("again"));
  }
  logError("a rare test failed", new Error("once"));

  expect(lines().map(({ what }) => what)).toEqual([
    ...Array.from({ length: 5 }, () => "a frequent test failed"),
    "a rare test failed",
  ]);
});
