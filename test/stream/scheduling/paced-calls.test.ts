import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { ErrorCode, LIMITS } from "../../../rpc/index.ts";
import type { Stream } from "../../../src/stream/stream.ts";
import { connect } from "../../harness/client.ts";
import { range } from "../../harness/objects.ts";
import { overrideWait } from "../../harness/waits.ts";

const LARGE = "x".repeat(200_000);
const CALLS = 12;
/** A position that throws when it is looked at. */
const UNREADABLE = {
  get sequence(): number {
    throw new Error("injected by a test");
  },
};

/** Makes many calls of a stream at once and a small one after them; returns how many of them it overtakes. */
async function overtakenOf(stream: string, call: (index: number) => Promise<unknown>): Promise<number> {
  let answered = 0;
  const calls = range(1, CALLS).map(async (index) => {
    await call(index);
    answered += 1;
  });
  await env.STREAM.getByName(stream).getState();
  const before = answered;
  await Promise.all(calls);
  return CALLS - before;
}

it("answers other calls between the pages that are read of it at once", async () => {
  const client = await connect();
  const stream = "paced-reads";
  for (const sequence of range(1, CALLS)) {
    await client.call("publish", { stream, data: `${sequence}${LARGE}` });
  }

  const overtaken = await overtakenOf(stream, async (sequence) => {
    const page = await env.STREAM.getByName(stream).readPage({ sequence }, 1, 1);
    expect(page).toMatchObject({ first: sequence, count: 1 });
  });

  expect(overtaken).toBeGreaterThan(CALLS / 2);
});

it("answers other calls between the reads that look through many subjects for a filter", async () => {
  const client = await connect();
  const stream = "paced-filters";
  for (const batch of range(1, 20)) {
    const messages = range(1, 500).map((index) => ({ subject: `${"x".repeat(40)}.${batch}.${index}`, data: 1 }));
    await client.call("publishBatch", { stream, messages });
  }

  const overtaken = await overtakenOf(stream, async () => {
    const page = await env.STREAM.getByName(stream).readPage("first", 500, LIMITS.pageBytes, undefined, "none.*");
    expect(page).toMatchObject({ count: 0 });
  });

  expect(overtaken).toBeGreaterThan(CALLS / 2);
});

it("answers other calls between the subscriptions that join its consumers at once", async () => {
  const client = await connect();
  const stream = "paced-joins";
  await client.call("createConsumer", { stream, consumer: "c" });

  const overtaken = await overtakenOf(stream, async (index) => {
    const call = { consumer: "c", gateway: "paced", holder: `joins-${index}`, maxInFlight: 1 };
    expect(await env.STREAM.getByName(stream).joinConsumer(call)).toMatchObject({ nextSequence: 1 });
  });

  expect(overtaken).toBeGreaterThan(CALLS / 2);
});

it("answers calls also after one that failed", async () => {
  const client = await connect();
  const stream = "paced-failed";
  await client.call("publish", { stream, data: 1 });
  const [failed, read] = await runInDurableObject(env.STREAM.getByName(stream), (object: Stream) =>
    Promise.allSettled([object.readPage(UNREADABLE, 1, 1), object.readPage({ sequence: 1 }, 1, 1)]),
  );

  expect(failed).toMatchObject({ status: "rejected" });
  expect(read).toMatchObject({ status: "fulfilled", value: { first: 1, count: 1 } });
});

it("does not read for a caller that has waited for half the time of a request", async () => {
  const client = await connect();
  const stream = "paced-late";
  await client.call("publish", { stream, data: LARGE });
  // Half of it is shorter than the pause after the first.
  overrideWait("REQUEST_DEADLINE_MS", 2);
  const reading = env.STREAM.getByName(stream);

  const [first, second] = await Promise.all([reading.readPage("first", 1, 1), reading.readPage("first", 1, 1)]);

  expect(first).toMatchObject({ first: 1, count: 1 });
  expect(second).toMatchObject({ refused: { code: ErrorCode.Unavailable } });
});
