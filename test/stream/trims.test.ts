import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict } from "../harness/objects.ts";

const ROWS = 8;
/** Messages of a row: as much as one turn deletes. */
const ROW_MESSAGES = 5;
const LAST = ROWS * ROW_MESSAGES;

it("deletes a long stretch in turns; what is told, read and published is right at once", async () => {
  const stream = "trimmed";
  const client = await connect();
  await fill(client, stream);
  const deletes = await countDeletes(stream);

  const { deleted, firstSequence } = await client.call("deleteMessages", { stream, through: LAST - 1 });
  const info = await client.call("getStreamInfo", { stream });
  const { messages } = await client.call("getMessages", { stream, from: "first" });
  const { sequence } = await client.call("publish", { stream, data: "next" });
  await untilRows(stream, 2);

  expect({ deleted, firstSequence, sequence }).toEqual({ deleted: LAST - 1, firstSequence: LAST, sequence: LAST + 1 });
  expect(info).toMatchObject({ messages: 1, firstSequence: LAST, lastSequence: LAST });
  expect(info.bytes).toBeLessThan(600_000);
  expect(messages.map((message) => message.sequence)).toEqual([LAST]);
  // One for each row but the last.
  expect(deletes()).toBe(ROWS - 1);
});

it("keeps its sequences when the rows of all messages are left to be deleted", async () => {
  const stream = "emptied-and-interrupted";
  const client = await connect();
  await fill(client, stream);
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) =>
    storage.sql.exec("UPDATE stream SET deleted_through = ?", LAST),
  );
  await evict(env.STREAM.getByName(stream));

  const info = await client.call("getStreamInfo", { stream });
  await untilRows(stream, 0);
  await evict(env.STREAM.getByName(stream));
  const { sequence } = await client.call("publish", { stream, data: "next" });

  expect(info).toMatchObject({ messages: 0, bytes: 0, firstSequence: LAST + 1, lastSequence: LAST });
  expect(sequence).toBe(LAST + 1);
});

/** Rows of half a megabyte. */
async function fill(client: TestClient, stream: string): Promise<void> {
  const messages = Array.from({ length: ROW_MESSAGES }, () => ({ data: "x".repeat(105_000) }));
  for (let row = 0; row < ROWS; row += 1) {
    await client.call("publishBatch", { stream, messages });
  }
}

async function untilRows(stream: string, rows: number): Promise<void> {
  await vi.waitFor(() =>
    runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
      const { count } = storage.sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM batches").one();
      expect(count).toBe(rows);
    }),
  );
}

/** Counts the statements by which rows are deleted. */
async function countDeletes(stream: string): Promise<() => number> {
  let deletes = 0;
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    const exec = storage.sql.exec.bind(storage.sql);
    const counting: typeof storage.sql.exec = (query, ...bindings) => {
      deletes += query.startsWith("DELETE FROM batches") ? 1 : 0;
      return exec<never>(query, ...bindings);
    };
    Object.defineProperty(storage.sql, "exec", { configurable: true, value: counting });
  });
  return () => deletes;
}
