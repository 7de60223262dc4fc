import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import type { Stream } from "../../../src/stream/stream.ts";
import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { range } from "../../harness/objects.ts";
import { countPauses, overrideWait } from "../../harness/waits.ts";

const ROWS = 20;
const CALLS = 30;
/** Of what else has a timer at times: publishes that are gathered, rows that are swept. */
const OTHER_TIMERS = 3;

const stub = (stream: string) => env.STREAM.getByName(stream);

/** Publishes rows of ten messages, so large that few are written anew in a turn. */
async function withRows(stream: string): Promise<TestClient> {
  const client = await connect();
  for (let row = 0; row < ROWS; row += 1) {
    await client.call("publishBatch", { stream, messages: range(1, 10).map(() => ({ data: "x".repeat(10_000) })) });
  }
  return client;
}

/** One sequence of each row. */
const ofEachRow = (index: number) => range(0, ROWS - 1).map((row) => 10 * row + index);

it("has one timer for all deletions of a stream that go on", async () => {
  const stream = "deletions-timers";
  await withRows(stream);
  const pauses = countPauses();

  const results = await Promise.all(
    range(1, CALLS).map((call) => stub(stream).deleteMessages({ stream, sequences: ofEachRow(1 + (call % 9)) })),
  );

  const deleted = results.map((result) => (result !== undefined && "deleted" in result ? result.deleted : undefined));
  expect(deleted).toEqual(range(1, CALLS).map((call) => (call <= 9 ? ROWS : 0)));
  expect(pauses()).toBeLessThanOrEqual(1 + OTHER_TIMERS);
});

it("answers other calls between deletions that take a turn each", async () => {
  const stream = "deletions-small";
  await withRows(stream);
  let answered = 0;
  const calls = range(1, CALLS).map(async (sequence) => {
    await stub(stream).deleteMessages({ stream, sequences: [sequence] });
    answered += 1;
  });

  await stub(stream).getState();
  const before = answered;
  await Promise.all(calls);

  expect(before).toBeLessThan(CALLS / 2);
});

it("deletes nothing for a caller that has waited for half the time of a request, and all for the one before", async () => {
  const stream = "deletions-late";
  const client = await withRows(stream);
  // Half of it is shorter than the pause between two turns.
  overrideWait("REQUEST_DEADLINE_MS", 2);

  const [first, second] = await Promise.all([
    stub(stream).deleteMessages({ stream, sequences: ofEachRow(3) }),
    stub(stream).deleteMessages({ stream, sequences: ofEachRow(5) }),
  ]);

  overrideWait("REQUEST_DEADLINE_MS", 15_000);
  expect(first).toMatchObject({ deleted: ROWS });
  expect(second).toMatchObject({ refused: { code: ErrorCode.Unavailable } });
  expect(await client.call("getStreamInfo", { stream })).toMatchObject({ messages: ROWS * 9 });
});

it("refuses at once a deletion before which as many wait as a socket may have on the way", async () => {
  const stream = "deletions-most";

  const results = await runInDurableObject(stub(stream), (object: Stream) =>
    Promise.all(range(1, 5_000).map(() => object.deleteMessages({ stream, through: 1 }))),
  );

  // The first goes on.
  expect(results.filter((result) => result === undefined)).toHaveLength(1 + 4_096);
  expect(results.at(-1)).toMatchObject({ refused: { code: ErrorCode.Unavailable } });
});

it("deletes also after a deletion that failed", async () => {
  const stream = "deletions-failed";
  await withRows(stream);
  const sequences = Object.defineProperty([1, 2], "filter", {
    value: () => {
      throw new Error("injected by a test");
    },
  });

  const [failed, done] = await runInDurableObject(stub(stream), (object: Stream) =>
    Promise.allSettled([
      object.deleteMessages({ stream, sequences }),
      object.deleteMessages({ stream, sequences: [1, 2] }),
    ]),
  );

  expect(failed).toMatchObject({ status: "rejected" });
  expect(done).toMatchObject({ status: "fulfilled", value: { deleted: 2 } });
});
