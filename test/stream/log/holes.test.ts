import { env } from "cloudflare:workers";
import { expect, inject, it } from "vitest";

import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { publishMany, readsPage } from "../../harness/consumers.ts";
import { evict, range } from "../../harness/objects.ts";
import { countRowsRead, countStatements } from "../../harness/statements.ts";

/** What is looked at of the holes around a place, at most. */
const STRETCH = 2_048;
const MESSAGES = 24_000;

const stub = (stream: string) => env.STREAM.getByName(stream);

/** Counts the rows that statements on holes read from now on. */
const countRead = (stream: string) => countRowsRead(stream, (query) => query.includes("holes"));

/** Counts the pages of the log that a stream reads from now on. */
const countPages = (stream: string) => countStatements(stream, readsPage);

/** Deletes messages one by one, as many in a call as may be. */
async function deleteSingly(client: TestClient, stream: string, sequences: readonly number[]): Promise<void> {
  for (let from = 0; from < sequences.length; from += 500) {
    await client.call("deleteMessages", { stream, sequences: sequences.slice(from, from + 500) });
  }
}

it("counts each hole once for any number of consumers, and then few for each", async () => {
  const client = await connect();
  const stream = "holes-consumers";
  await publishMany(client, stream, MESSAGES);
  const holes = range(1, MESSAGES).filter((sequence) => sequence % 4 !== 1);
  await deleteSingly(client, stream, holes);
  const positions = range(1, 60).map((index) => 12_000 + index * 48);
  for (const sequence of positions) {
    await client.call("createConsumer", { stream, consumer: `c${sequence}`, from: { sequence } });
  }
  await evict(stub(stream));
  await client.call("getStreamInfo", { stream });
  const rowsRead = await countRead(stream);

  const { consumers } = await client.call("listConsumers", { stream });
  const first = await rowsRead();
  await client.call("listConsumers", { stream });
  const again = await rowsRead();
  await client.call("getConsumer", { stream, consumer: "c12048" });
  const one = await rowsRead();

  expect(Object.fromEntries(consumers.map(({ consumer, pending }) => [consumer, pending]))).toEqual(
    Object.fromEntries(positions.map((sequence) => [`c${sequence}`, (MESSAGES - sequence) / 4])),
  );
  expect(one).toBeLessThanOrEqual(STRETCH);
  expect(again).toBeLessThanOrEqual(positions.length * STRETCH);
  expect(first - again).toBeLessThanOrEqual(holes.length);
});

it("finds the last messages and the first one before and behind a long stretch without any in few steps", async () => {
  const client = await connect();
  const stream = "holes-run";
  await publishMany(client, stream, MESSAGES);
  const holes = range(1_001, MESSAGES - 1);
  await deleteSingly(client, stream, holes);
  await evict(stub(stream));
  await client.call("getStreamInfo", { stream });
  const rowsRead = await countRead(stream);

  const { messages } = await client.call("getMessages", { stream, from: { last: 2 } });
  const last = await rowsRead();
  const { firstSequence } = await client.call("deleteMessages", { stream, through: 5_000 });
  const trimmed = await rowsRead();

  expect(messages.map(({ sequence }) => sequence)).toEqual([1_000]);
  expect(firstSequence).toBe(MESSAGES);
  expect(last).toBeLessThanOrEqual(holes.length + STRETCH);
  // Beside those that are swept.
  expect(trimmed).toBeLessThanOrEqual(holes.length);
});

/** Between every few messages, and long stretches around a consumer and the end of what is trimmed. */
function isHole(sequence: number): boolean {
  return sequence % 4 !== 1 || (sequence > 350 && sequence < 450) || (sequence > 3_900 && sequence < 4_100);
}

it("tells each of many consumers what it lost between holes, and reads no message for that", async () => {
  const client = await connect();
  const stream = "holes-lost";
  await publishMany(client, stream, 6_000);
  await deleteSingly(client, stream, range(1, 6_000).filter(isHole));
  const positions = range(1, 20).map((index) => index * 100);
  for (const sequence of positions) {
    await client.call("createConsumer", { stream, consumer: `c${sequence}`, from: { sequence } });
  }
  await evict(stub(stream));
  await client.call("getStreamInfo", { stream });
  const rowsRead = await countRead(stream);
  const pages = await countPages(stream);

  await client.call("deleteMessages", { stream, through: 4_000 });
  const trimmed = await rowsRead();
  const { consumers } = await client.call("listConsumers", { stream });

  const lostFrom = (position: number) => {
    const gone = range(position, 4_000).filter((sequence) => !isHole(sequence));
    return { from: gone.at(0), to: gone.at(-1), total: gone.length };
  };
  expect(Object.fromEntries(consumers.map(({ consumer, lost }) => [consumer, lost]))).toEqual(
    Object.fromEntries(positions.map((position) => [`c${position}`, lostFrom(position)])),
  );
  expect(pages()).toBe(0);
  expect(trimmed).toBeLessThanOrEqual((2 * positions.length + 2) * STRETCH);
});

it("counts and finds what an array does, with thousands of holes that come, go and are read again", async () => {
  const client = await connect();
  let seed = 5;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const runs = Math.ceil(inject("lengths").modelRuns / 1000);
  for (let run = 0; run < runs; run += 1) {
    const stream = `holes-model-${run}`;
    await publishMany(client, stream, 12_000);
    let kept = range(1, 12_000);
    let last = 12_000;
    for (let step = 0; step < 60; step += 1) {
      const what = random(10);
      if (what <= 5) {
        // Dense, every few, or wide apart.
        const [from, by] = [kept[random(kept.length)] ?? 1, 1 + random(3) ** 3];
        const sequences = range(0, 499).flatMap((index) => (from + index * by <= last ? from + index * by : []));
        await client.call("deleteMessages", { stream, sequences });
        const gone = new Set(sequences);
        kept = kept.filter((sequence) => !gone.has(sequence));
      } else if (what === 6) {
        await publishMany(client, stream, 500);
        kept.push(...range(last + 1, last + 500));
        last += 500;
      } else if (what === 7) {
        const through = (kept[0] ?? 1) + random(600);
        await client.call("deleteMessages", { stream, through });
        kept = kept.filter((sequence) => sequence > through);
      } else if (what === 8) {
        const maxMessages = Math.max(1, kept.length - random(200));
        await client.call("configureStream", { stream, maxMessages });
        await client.call("configureStream", { stream, maxMessages: null });
        kept = kept.slice(-maxMessages);
      } else {
        await evict(stub(stream));
      }
      const at = { run, step, what };
      const sequence = Math.max(kept[0] ?? 1, 1 + random(last));
      const back = 1 + random(kept.length);
      const { pending } = await client.call("createConsumer", { stream, consumer: "c", from: { sequence } });
      await client.call("deleteConsumer", { stream, consumer: "c" });
      const { messages, firstSequence } = await client.call("getStreamInfo", { stream });
      const [first] = (await client.call("getMessages", { stream, from: { last: back }, limit: 1 })).messages;
      expect({ at, messages, firstSequence, pending, first: first?.sequence }).toEqual({
        at,
        messages: kept.length,
        firstSequence: kept[0] ?? last + 1,
        pending: kept.filter((one) => one >= sequence).length,
        first: kept.at(-back),
      });
    }
  }
});
