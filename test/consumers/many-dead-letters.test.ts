import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { evict, range } from "../harness/objects.ts";
import { countPauses, overrideWait } from "../harness/waits.ts";

const LETTERS = 5_000;
const MESSAGES = 500;
const CALLS = 20;
/** Of what else has a timer at times: publishes that are gathered, rows that are swept. */
const OTHER_TIMERS = 3;

const stub = (stream: string) => env.STREAM.getByName(stream);

/**
 * A consumer with more dead letters than one turn changes, most of messages that the log has not.
 *
 * @returns A client, and how many letters each statement has deleted from now on.
 */
async function withDeadLetters(stream: string) {
  const client = await connect();
  await client.call("publishBatch", { stream, messages: range(1, MESSAGES).map((data) => ({ data })) });
  await client.call("createConsumer", { stream, consumer: "c", from: "new" });
  await runInDurableObject(stub(stream), (_object, { storage }) => {
    const { id } = storage.sql.exec<{ id: number }>("SELECT id FROM consumers").one();
    storage.sql.exec(
      `INSERT INTO dead_letters (consumer, sequence, deliveries, reason, dead_at)
       SELECT ?, value, 1, 'term', 1 FROM json_each(?)`,
      id,
      JSON.stringify(range(1, LETTERS)),
    );
  });
  await evict(stub(stream));
  const deleted: number[] = [];
  await runInDurableObject(stub(stream), (_object, { storage }) => {
    const exec = storage.sql.exec.bind(storage.sql);
    const counting: typeof storage.sql.exec = (query, ...bindings) => {
      const cursor = exec<never>(query, ...bindings);
      if (query.startsWith("DELETE FROM dead_letters")) {
        const rows = cursor.toArray();
        deleted.push(rows.length);
        return Object.assign(cursor, { toArray: () => rows });
      }
      return cursor;
    };
    Object.defineProperty(storage.sql, "exec", { configurable: true, value: counting });
  });
  return { client, deleted };
}

async function lettersOf(stream: string): Promise<number> {
  return runInDurableObject(
    stub(stream),
    (_object, { storage }) => storage.sql.exec("SELECT 1 FROM dead_letters").toArray().length,
  );
}

it("deletes all of many in turns, and tells how many there were", async () => {
  const stream = "letters-deleted";
  const { client, deleted } = await withDeadLetters(stream);

  const { count } = await client.call("deleteDeadLetters", { stream, consumer: "c" });

  expect(count).toBe(LETTERS);
  expect(await lettersOf(stream)).toBe(0);
  expect(Math.max(...deleted)).toBeLessThanOrEqual(500);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ deadLetters: 0 });
});

it("changes dead letters for many calls with one timer for all", async () => {
  const stream = "letters-queued";
  await withDeadLetters(stream);
  const pauses = countPauses();

  const params = { stream, consumer: "c" };
  const counts = await Promise.all(range(1, CALLS).map(() => stub(stream).deleteDeadLetters(params)));

  expect(counts.reduce((sum: number, count) => sum + Number(count), 0)).toBe(LETTERS);
  expect(pauses()).toBeLessThanOrEqual(1 + OTHER_TIMERS);
});

it("retries those of many whose message is there, and keeps the others", async () => {
  const stream = "letters-retried";
  const { client } = await withDeadLetters(stream);
  await client.call("deleteDeadLetters", { stream, consumer: "c", sequences: [1] });

  const { count } = await client.call("retryDeadLetters", { stream, consumer: "c" });

  expect(count).toBe(MESSAGES - 1);
  expect(await lettersOf(stream)).toBe(LETTERS - MESSAGES);
});

it("moves a consumer also when nobody waits for it any more", async () => {
  const stream = "letters-seek-late";
  const { client } = await withDeadLetters(stream);
  // Shorter than the pause between two turns.
  overrideWait("REQUEST_DEADLINE_MS", 1);

  const info = await stub(stream).seekConsumer({ stream, consumer: "c", from: "first" });

  overrideWait("REQUEST_DEADLINE_MS", 15_000);
  expect(info).toMatchObject({ deadLetters: 0, pending: MESSAGES });
  expect(await lettersOf(stream)).toBe(0);
  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ pending: MESSAGES });
});

it("deletes a consumer of many with all of them, and tells how many there were", async () => {
  const stream = "letters-of-deleted";
  const { client, deleted } = await withDeadLetters(stream);

  const info = await client.call("deleteConsumer", { stream, consumer: "c" });

  expect(info).toMatchObject({ consumer: "c", deadLetters: LETTERS });
  expect(await lettersOf(stream)).toBe(0);
  expect(Math.max(...deleted)).toBeLessThanOrEqual(500);
  expect((await client.call("listConsumers", { stream })).consumers).toEqual([]);
});

it("deletes those from a position on when a consumer is moved there", async () => {
  const stream = "letters-of-moved";
  const { client, deleted } = await withDeadLetters(stream);

  const info = await client.call("seekConsumer", { stream, consumer: "c", from: { sequence: 3 } });

  expect(info).toMatchObject({ ackFloor: 2, pending: MESSAGES - 2, deadLetters: 2 });
  expect(await lettersOf(stream)).toBe(2);
  expect(Math.max(...deleted)).toBeLessThanOrEqual(500);
});
