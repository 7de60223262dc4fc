import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { publishMany } from "../harness/consumers.ts";
import { untilListed } from "../harness/objects.ts";
import { watchStatements } from "../harness/statements.ts";

/** Rows that a stream wrote, as the runtime counts and bills them; setting the alarm is one, too. */
type Rows = { sql: number; alarms: number };

/** Counts the rows a stream writes from now on. */
async function countRows(stream: string): Promise<Rows> {
  const rows: Rows = { sql: 0, alarms: 0 };
  await watchStatements(stream, ({ cursor }) => (rows.sql += cursor.rowsWritten));
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    const setAlarm = storage.setAlarm.bind(storage);
    const counting: typeof storage.setAlarm = async (at, options) => {
      rows.alarms += 1;
      await setAlarm(at, options);
    };
    Object.defineProperty(storage, "setAlarm", { configurable: true, value: counting });
  });
  return rows;
}

it("writes 13 rows and sets the alarm once for 1,000 messages delivered and acked in pages of 100", async () => {
  const client = await connect();
  const stream = "pages";
  await client.call("createConsumer", { stream, consumer: "c" });
  await untilListed(stream);
  const { subscription } = await client.call("subscribe", { stream, consumer: "c", maxInFlight: 100 });
  const rows = await countRows(stream);

  await publishMany(client, stream, 1_000);
  for (let acked = 0; acked < 1_000; acked += 100) {
    const sequences = (await client.untilMessages(acked + 100)).slice(acked);
    await client.call("ack", { subscription, sequences });
  }

  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ ackFloor: 1_000, inFlight: 0 });
  // Two batches, the first deliveries, and ten acks, each with the deliveries that it made room for.
  expect(rows).toEqual({ sql: 13, alarms: 1 });
});

it("writes 22 rows and sets the alarm once for 1,000 messages fetched and acked in pages of 100", async () => {
  const client = await connect();
  const stream = "leases";
  await client.call("createConsumer", { stream, consumer: "c" });
  await untilListed(stream);
  const rows = await countRows(stream);

  await publishMany(client, stream, 1_000);
  for (let page = 0; page < 10; page += 1) {
    const { lease, messages } = await client.call("fetchMessages", { stream, consumer: "c", limit: 100 });
    const sequences = messages.map(({ sequence }) => sequence);
    await client.call("ackMessages", { stream, consumer: "c", lease, sequences });
  }

  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ ackFloor: 1_000, inFlight: 0 });
  // Two batches, ten fetches and ten acks.
  expect(rows).toEqual({ sql: 22, alarms: 1 });
});

it("writes the consumer's row once for acks that come in one frame", async () => {
  const client = await connect();
  const stream = "frame";
  await client.call("createConsumer", { stream, consumer: "c" });
  await untilListed(stream);
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await publishMany(client, stream, 50);
  await client.untilMessages(50);
  const rows = await countRows(stream);

  const acks = Array.from({ length: 50 }, (_, index) => ({
    jsonrpc: "2.0",
    id: index,
    method: "ack",
    params: { subscription, sequences: [index + 1] },
  }));
  await client.exchange(JSON.stringify(acks));

  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ ackFloor: 50 });
  expect(rows).toEqual({ sql: 1, alarms: 0 });
});

it("writes nothing to look at a consumer, or for an ack that says nothing new", async () => {
  const client = await connect();
  const stream = "looked-at";
  await client.call("createConsumer", { stream, consumer: "c" });
  await untilListed(stream);
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await publishMany(client, stream, 2);
  await client.untilMessages(2);
  await client.call("ack", { subscription, sequences: [1, 2] });
  const rows = await countRows(stream);

  await client.call("ack", { subscription, sequences: [1, 2] });
  await client.call("getConsumer", { stream, consumer: "c" });
  await client.call("listConsumers", { stream });
  await client.call("getDeadLetters", { stream, consumer: "c" });

  expect(rows).toEqual({ sql: 0, alarms: 0 });
});
