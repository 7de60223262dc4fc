import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { connect } from "../../harness/client.ts";
import { evict, range } from "../../harness/objects.ts";
import { countRowsRead } from "../../harness/statements.ts";

const MESSAGE_BYTES = 100;

const stub = (stream: string) => env.STREAM.getByName(stream);

/**
 * Adds rows behind sequence 1, each of one message of 100 bytes; the one of every `step`th was deleted singly.
 *
 * @returns The last sequence.
 */
async function addRows(stream: string, rows: number, step = Infinity): Promise<number> {
  const last = 1 + rows;
  await runInDurableObject(stub(stream), (_instance, { storage: { sql } }) => {
    sql.exec(
      `WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1),
       heads AS (
         SELECT n, published_at, end_bytes, '{"sequence":' || n || ',"publishedAt":' || published_at || ',"data":"' AS head
         FROM numbers, batches WHERE first_sequence = 1
       )
       INSERT INTO batches (first_sequence, last_sequence, published_at, count, bytes, end_bytes, hole_bytes, messages)
       SELECT n, n, published_at, 1, ?2, end_bytes + ?2 * (n - 1), 0, head || SUBSTR(?3, LENGTH(head) + 3) || '"}' FROM heads`,
      last,
      MESSAGE_BYTES,
      "x".repeat(MESSAGE_BYTES),
    );
    if (step <= rows) {
      sql.exec("UPDATE batches SET count = 0, hole_bytes = bytes, messages = '' WHERE first_sequence % ? = 0", step);
      sql.exec("INSERT INTO holes (sequence, bytes) SELECT first_sequence, bytes FROM batches WHERE count = 0");
      sql.exec("UPDATE stream SET hole_bytes = (SELECT SUM(hole_bytes) FROM batches)");
    }
  });
  await evict(stub(stream));
  return last;
}

/** Counts the rows that sums of what was deleted singly read from now on. */
const countSummed = (stream: string) => countRowsRead(stream, (query) => /SUM\((?:hole_)?bytes\)/.test(query));

/** What is stored of the messages above the floor, row by row, as `bytes` of the stream's info counts it. */
async function storedBytes(stream: string, floor: number): Promise<number> {
  return runInDurableObject(
    stub(stream),
    (_instance, { storage: { sql } }) =>
      sql
        .exec<{ bytes: number }>(
          "SELECT COALESCE(SUM(bytes - hole_bytes), 0) AS bytes FROM batches WHERE last_sequence > ?",
          floor,
        )
        .one().bytes,
  );
}

it("reads few rows to trim many of which few have a message deleted singly", async () => {
  const client = await connect();
  const stream = "trims-few";
  await client.call("publish", { stream, data: 1 });
  const last = await addRows(stream, 20_000);
  await client.call("deleteMessages", { stream, sequences: [2_000, 9_000, 12_000, 18_000] });
  const summed = await countSummed(stream);

  await client.call("deleteMessages", { stream, through: 8_000 });
  const trimmed = await summed();
  await client.call("configureStream", { stream, maxBytes: 5_000 * MESSAGE_BYTES });
  const configured = await summed();
  const { bytes, firstSequence, messages } = await client.call("getStreamInfo", { stream });

  expect(trimmed).toBeLessThan(100);
  expect(configured).toBeLessThan(100);
  expect({ bytes, firstSequence, messages }).toEqual({
    bytes: 5_000 * MESSAGE_BYTES,
    firstSequence: last - 5_000,
    messages: 5_000,
  });
});

it("reads each hole once, and no row, to trim many with holes", async () => {
  const client = await connect();
  const stream = "trims-many";
  await client.call("publish", { stream, data: 1 });
  await addRows(stream, 20_000, 2);
  const summed = await countSummed(stream);

  await client.call("deleteMessages", { stream, through: 15_000 });

  // And the one behind them.
  expect(await summed()).toBeLessThanOrEqual(7_500 + 1);
  expect((await client.call("getStreamInfo", { stream })).bytes).toBe(await storedBytes(stream, 15_000));
});

it("knows what is left where a version before has deleted messages", async () => {
  const client = await connect();
  const stream = "trims-before";
  await client.call("publish", { stream, data: 1 });
  await addRows(stream, 1_000, 2);
  await runInDurableObject(stub(stream), (_instance, { storage: { sql } }) => {
    sql.exec("UPDATE holes SET bytes = NULL WHERE sequence BETWEEN 300 AND 350");
  });

  for (const through of [200, 320, 600]) {
    await client.call("deleteMessages", { stream, through });

    expect((await client.call("getStreamInfo", { stream })).bytes).toBe(await storedBytes(stream, through));
  }
});

it("knows after each trim what is left, wherever messages were deleted singly", async () => {
  const client = await connect();
  const stream = "trims-model";
  for (let batch = 0; batch < 60; batch += 1) {
    await client.call("publishBatch", { stream, messages: range(1, 20).map((data) => ({ data: `${data}` })) });
  }
  // All of some rows, the ends of others, and of the row that a trim cuts through what is below and what is above it.
  const holes = [
    ...range(1, 3),
    20,
    21,
    ...range(101, 140),
    205,
    209,
    211,
    215,
    ...range(58, 66).map((one) => one * 7),
    1_000,
    1_199,
  ];
  await client.call("deleteMessages", { stream, sequences: holes });
  const trims = [4, 19, 20, 100, 130, 210, 212, 220, 430, 431, 999, 1_000, 1_100, 1_199];

  for (const through of trims) {
    const { firstSequence } = await client.call("deleteMessages", { stream, through });
    await client.call("deleteMessages", { stream, sequences: [firstSequence + 21, firstSequence + 1] });
    if (through % 3 === 0) {
      await evict(stub(stream));
    }
    const info = await client.call("getStreamInfo", { stream });

    expect(info.bytes, `through ${through}`).toBe(await storedBytes(stream, info.firstSequence - 1));
  }
});
