import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import type { PublishCall, PublishReply } from "../../../src/internal/calls.ts";
import { addProducer, noProducers } from "../../../src/internal/producer-runs.ts";
import type { Stream } from "../../../src/stream/stream.ts";
import { evict } from "../../harness/objects.ts";

/** More than stand in one part. */
const IDS = Array.from({ length: 1_500 }, (_, index) => `till-${index}-`.padEnd(60, "x"));

/** A producer as the version before stores it: id, epoch, sequence, lastSequence, lastPublishedAt, its runs. */
type StoredBefore = [string, number, number, number, number, number[]];
type Parts = { through: number; producers: string }[];

function publishOne(stub: DurableObjectStub<Stream>, stream: string, sequence: number): Promise<PublishReply> {
  const call: PublishCall = { stream, bodies: [], bytes: [], counts: [], producers: noProducers() };
  for (const [index, id] of IDS.entries()) {
    call.bodies.push('"data":1}');
    call.bytes.push(9);
    call.counts.push(1);
    addProducer(call.producers ?? noProducers(), index, { id, epoch: 0, sequence }, 1);
  }
  return stub.publish(call);
}

/** The table as the version before reads it. */
function partsOf(stub: DurableObjectStub<Stream>): Promise<Parts> {
  return runInDurableObject(stub, (_stream, { storage }) =>
    storage.sql.exec<Parts[number]>("SELECT part, through, producers FROM producers").toArray(),
  );
}

/** What the version before makes of the table: a later entry in place of an earlier one. */
function readBefore(parts: Parts): Map<string, StoredBefore> {
  const stored: StoredBefore[] = parts.flatMap(({ producers }) => JSON.parse(producers));
  return new Map(stored.map((one) => [one[0], one]));
}

it("stores producers so that the version before reads where each of them is", async () => {
  const stream = "producers-for-before";
  const stub = env.STREAM.getByName(stream);
  await publishOne(stub, stream, 1);
  await publishOne(stub, stream, 2);
  await publishOne(stub, stream, 3);
  // What is about to be dropped is written.
  await stub.deleteMessages({ stream, through: 4_000 });

  const parts = await partsOf(stub);
  const states = [...readBefore(parts).values()].map(([id, epoch, sequence, last]) => [id, epoch, sequence, last]);

  expect(parts.length).toBeGreaterThan(2);
  // From the row behind on it reads the log.
  expect(parts[0]?.through).toBe(4_500);
  expect(states.toSorted(byId)).toEqual(IDS.map((id, index) => [id, 0, 3, 3_001 + index]).toSorted(byId));
});

it("finds producers that the version before has stored, and makes parts of them", async () => {
  const stream = "producers-of-before";
  const stub = env.STREAM.getByName(stream);
  const replies = [await publishOne(stub, stream, 1), await publishOne(stub, stream, 2)];
  await stub.deleteMessages({ stream, through: 2_000 });
  const stored = [...readBefore(await partsOf(stub)).values()].map(
    ([id, epoch, sequence, last, at, numbers], index) => {
      // That version keeps all runs in one entry.
      const first = [1, index + 1, replies[0]?.publishedAt ?? 0];
      return [id, epoch, sequence, last, at, numbers[0] === 1 ? numbers : [...first, ...numbers]];
    },
  );
  await runInDurableObject(stub, (_stream, { storage: { sql } }) => {
    sql.exec("DELETE FROM producers");
    for (const [part, of] of [stored.slice(0, 700), stored.slice(700)].entries()) {
      sql.exec("INSERT INTO producers (part, through, producers) VALUES (?, 3000, ?)", part, JSON.stringify(of));
    }
  });
  await evict(stub);

  const repeated = await publishOne(stub, stream, 1);
  const next = await publishOne(stub, stream, 3);
  await stub.deleteMessages({ stream, through: 4_000 });
  const parts = await partsOf(stub);
  await evict(stub);
  const again = [
    await publishOne(stub, stream, 1),
    await publishOne(stub, stream, 2),
    await publishOne(stub, stream, 3),
  ];

  expect(placesOf(repeated)).toEqual(from(1));
  expect(next.firstSequences).toEqual(from(3_001));
  expect(again.map(placesOf)).toEqual([from(1), from(1_501), from(3_001)]);
  expect(parts.every(({ producers }) => producers === "[]" || producers.startsWith("[\n"))).toBe(true);
});

/** Where the message of each producer is that was there already. */
function placesOf({ ranges = [] }: PublishReply): (number | undefined)[] {
  return ranges.map((one) => one.ranges[0]?.firstSequence);
}

/** As many sequences as there are producers. */
function from(first: number): number[] {
  return IDS.map((_, index) => first + index);
}

function byId([a]: readonly unknown[], [b]: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}
