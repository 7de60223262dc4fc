import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { evict, untilListed } from "../harness/objects.ts";
import { countRowsWritten } from "../harness/statements.ts";

/** A stream that exists and is listed, so that its tables and that it is listed are not counted. */
async function newStream(stream: string) {
  const client = await connect();
  await client.call("publish", { stream, data: 0 });
  await untilListed(stream);
  return { client, rowsWritten: await countRowsWritten(stream) };
}

it("writes one row for a publish", async () => {
  const { client, rowsWritten } = await newStream("one");

  await client.call("publish", { stream: "one", data: 1 });

  expect(rowsWritten()).toBe(1);
});

it("writes one row more for a publish with an id", async () => {
  const { client, rowsWritten } = await newStream("with-id");

  await client.call("publish", { stream: "with-id", data: 1, id: "a" });

  // Setting the alarm that forgets the ids is one more, once a duplicate window; SQL does not count it.
  expect(rowsWritten()).toBe(2);
});

it("writes nothing for a duplicate or a publish that is refused", async () => {
  const { client, rowsWritten } = await newStream("refused");
  await client.call("publish", { stream: "refused", data: 1, id: "a" });
  const before = rowsWritten();

  await client.call("publish", { stream: "refused", data: 1, id: "a" });
  await client.callError("publish", { stream: "refused", data: 1, expect: { lastSequence: 0 } });

  expect(rowsWritten()).toBe(before);
});

it("writes one row for a publishBatch of 500", async () => {
  const { client, rowsWritten } = await newStream("batch");
  const messages = Array.from({ length: 500 }, (_, index) => ({ data: index }));

  await client.call("publishBatch", { stream: "batch", messages });

  expect(rowsWritten()).toBe(1);
});

it("writes one row for the 50 publishes of a JSON-RPC batch, and one more if any has an id", async () => {
  const { client, rowsWritten } = await newStream("frame");
  await client.exchange(fiftyPublishes({}));
  const without = rowsWritten();
  await client.exchange(fiftyPublishes({ id: "of-one" }));

  expect(without).toBe(1);
  expect(rowsWritten() - without).toBe(2);
});

it("writes few rows for 100 publishes that two sockets send at once", async () => {
  const { client, rowsWritten } = await newStream("group");
  const other = await connect();

  await Promise.all(
    [client, other].flatMap((each) =>
      Array.from({ length: 50 }, (_, index) => each.call("publish", { stream: "group", data: index })),
    ),
  );

  const { lastSequence } = await client.call("getStreamInfo", { stream: "group" });
  expect(lastSequence).toBe(101);
  // The first publish of each gateway goes at once, the others while it is under way.
  expect(rowsWritten()).toBeLessThanOrEqual(8);
});

it("writes as many rows as a commit's size needs, each of 128 KiB at most", async () => {
  const { client, rowsWritten } = await newStream("large");
  const data = "x".repeat(31_250);

  await Promise.all(Array.from({ length: 12 }, () => client.call("publish", { stream: "large", data })));

  const sizes = await runInDurableObject(env.STREAM.getByName("large"), (_instance, { storage }) =>
    storage.sql.exec<{ size: number }>("SELECT LENGTH(CAST(messages AS BLOB)) AS size FROM batches").toArray(),
  );
  expect(Math.max(...sizes.map(({ size }) => size))).toBeLessThanOrEqual(131_072);
  expect(rowsWritten()).toBe(sizes.length - 1);
  expect(sizes.length).toBeLessThanOrEqual(6);
});

it("writes nothing to read, to look or to wake", async () => {
  const { client } = await newStream("read");
  await evict(env.STREAM.getByName("read"));
  const rowsWritten = await countRowsWritten("read");

  await client.call("getMessages", { stream: "read" });
  await client.call("getStreamInfo", { stream: "read" });
  await client.call("getState", { stream: "read" });

  expect(rowsWritten()).toBe(0);
});

it("writes one row for a follower of a new gateway, and none for another at the same", async () => {
  const { client, rowsWritten } = await newStream("lease");

  await client.call("subscribe", { stream: "lease" });
  const first = rowsWritten();
  await client.call("subscribe", { stream: "lease" });
  await client.call("publish", { stream: "lease", data: 1 });

  expect(first).toBe(1);
  expect(rowsWritten() - first).toBe(1);
});

/** A JSON-RPC batch whose first publish has further params. */
function fiftyPublishes(first: object): string {
  const calls = Array.from({ length: 50 }, (_, id) => ({
    jsonrpc: "2.0",
    id,
    method: "publish",
    params: { stream: "frame", data: id, ...(id === 0 ? first : {}) },
  }));
  return JSON.stringify(calls);
}

it("writes no row of its own for a producer, but one in a thousand rows of the log", async () => {
  const { client, rowsWritten } = await newStream("producer");
  const publish = (sequence: number) =>
    client.call("publish", { stream: "producer", data: 1, producer: { id: "a", sequence } });
  await publish(1);
  const first = rowsWritten();

  // One at a time, so that each is a row.
  for (let sequence = 2; sequence <= 1_001; sequence += 1) {
    await publish(sequence);
  }

  // The first one writes that there are producers at all.
  expect(first).toBe(2);
  expect(rowsWritten() - first).toBe(1_001);
});
