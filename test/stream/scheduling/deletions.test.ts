import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
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

  const deleted = results.map((result) => (result !== undefined && "deleted" in result ? result.deleted : Number.NaN));
  expect(deleted.reduce((sum, one) => sum + one, 0)).toBe(9 * ROWS);
  expect(pauses()).toBeLessThanOrEqual(1 + OTHER_TIMERS);
});

it("deletes no more for a caller that waits no longer, and says that it may have deleted some", async () => {
  const stream = "deletions-late";
  const client = await withRows(stream);
  // Shorter than the pause between two turns.
  overrideWait("REQUEST_DEADLINE_MS", 1);

  const late = await stub(stream).deleteMessages({ stream, sequences: ofEachRow(3) });

  overrideWait("REQUEST_DEADLINE_MS", 15_000);
  expect(late).toMatchObject({ refused: { code: ErrorCode.OutcomeUnknown } });
  const { messages } = await client.call("getStreamInfo", { stream });
  expect(messages).toBeGreaterThan(ROWS * 9);
  expect(messages).toBeLessThan(ROWS * 10);
});
