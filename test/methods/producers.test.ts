import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, range } from "../harness/objects.ts";

type Producer = NonNullable<MethodParams<"publish">["producer"]>;

afterEach(() => {
  vi.useRealTimers();
});

/** Publishes `count` messages that say their producer's sequence. */
function batch(client: TestClient, stream: string, producer: Producer, count: number) {
  const messages = Array.from({ length: count }, (_, index) => ({
    data: `${producer.id}${producer.sequence + index}`,
  }));
  return client.call("publishBatch", { stream, messages, producer });
}

async function dataOf(client: TestClient, stream: string): Promise<unknown[]> {
  const { messages } = await client.call("getMessages", { stream });
  return messages.map(({ data }) => data);
}

it("stores a producer's next message, and tells of one that comes again where it is", async () => {
  const client = await connect();
  const stream = "producer-next";

  const first = await client.call("publish", { stream, data: "a1", producer: { id: "a", sequence: 1 } });
  const second = await client.call("publish", { stream, data: "a2", producer: { id: "a", sequence: 2 } });
  const again = await client.call("publish", { stream, data: "other", producer: { id: "a", sequence: 1 } });

  expect([first.sequence, second.sequence]).toEqual([1, 2]);
  expect(again).toEqual({ ...first, duplicate: true });
  expect(await dataOf(client, stream)).toEqual(["a1", "a2"]);
});

it("refuses what is further on, and what is of an epoch that was taken over", async () => {
  const client = await connect();
  const stream = "producer-refused";
  await batch(client, stream, { id: "a", sequence: 1 }, 3);

  await expect(batch(client, stream, { id: "a", sequence: 5 }, 1)).rejects.toMatchObject({
    code: ErrorCode.Conflict,
    data: { producer: { epoch: 0, sequence: 3 } },
  });
  await expect(batch(client, stream, { id: "a", epoch: 2, sequence: 2 }, 1)).rejects.toMatchObject({
    data: { producer: { epoch: 0, sequence: 3 } },
  });
  await batch(client, stream, { id: "a", epoch: 2, sequence: 1 }, 1);
  await expect(batch(client, stream, { id: "a", sequence: 4 }, 1)).rejects.toMatchObject({
    code: ErrorCode.Conflict,
    data: { producer: { epoch: 2, sequence: 1 } },
  });

  expect(await dataOf(client, stream)).toEqual(["a1", "a2", "a3", "a1"]);
});

it("takes a producer over only from where the caller says it is, if it says so", async () => {
  const client = await connect();
  const stream = "producer-after";
  await batch(client, stream, { id: "a", sequence: 1 }, 3);

  await expect(
    batch(client, stream, { id: "a", epoch: 1, sequence: 1, after: { epoch: 0, sequence: 2 } }, 1),
  ).rejects.toMatchObject({
    data: { producer: { epoch: 0, sequence: 3 } },
  });
  await expect(
    batch(client, stream, { id: "b", epoch: 1, sequence: 1, after: { epoch: 0, sequence: 2 } }, 1),
  ).rejects.toMatchObject({
    data: { producer: { epoch: 0, sequence: 0 } },
  });
  const taken = await batch(client, stream, { id: "a", epoch: 1, sequence: 1, after: { epoch: 0, sequence: 3 } }, 1);
  const again = await batch(client, stream, { id: "a", epoch: 1, sequence: 1, after: { epoch: 0, sequence: 3 } }, 1);

  expect(taken).toMatchObject({ firstSequence: 4, duplicate: false });
  expect(again).toEqual({ ...taken, duplicate: true });
});

it("stores the rest of a batch that is stored in part, and says where each part is", async () => {
  const client = await connect();
  const stream = "producer-parts";
  const first = await batch(client, stream, { id: "a", sequence: 1 }, 3);
  await batch(client, stream, { id: "b", sequence: 1 }, 1);
  const second = await batch(client, stream, { id: "a", sequence: 4 }, 2);

  const cut = await batch(client, stream, { id: "a", sequence: 2 }, 6);
  const whole = await batch(client, stream, { id: "a", sequence: 2 }, 4);

  const parts = [
    { count: 2, firstSequence: 2, publishedAt: first.publishedAt, duplicate: true },
    { count: 2, firstSequence: 5, publishedAt: second.publishedAt, duplicate: true },
  ];
  const rest = { count: 2, firstSequence: 7, publishedAt: cut.publishedAt, duplicate: false };
  expect(cut).toMatchObject({ firstSequence: 2, lastSequence: 8, duplicate: false, ranges: [...parts, rest] });
  expect(whole).toMatchObject({ firstSequence: 2, lastSequence: 6, duplicate: true, ranges: parts });
  expect(await dataOf(client, stream)).toEqual(["a1", "a2", "a3", "b1", "a4", "a5", "a6", "a7"]);
});

it("decides what is pipelined in its order: nothing of a producer overtakes what was refused", async () => {
  const client = await connect();
  const stream = "producer-pipelined";
  const publish = (sequence: number, more: object = {}) => {
    return client.call("publish", { stream, data: sequence, producer: { id: "a", sequence }, ...more });
  };

  const outcomes = await Promise.allSettled([
    publish(1),
    publish(2, { expect: { lastSequence: 7 } }),
    publish(3),
    publish(1),
    publish(2),
  ]);

  expect(outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value.sequence : "refused"))).toEqual([
    1,
    "refused",
    "refused",
    1,
    2,
  ]);
  expect(await dataOf(client, stream)).toEqual([1, 2]);
});

it.each(["eviction", "trim", "trim and eviction"])("knows its producers after %s", async (what) => {
  const client = await connect();
  const stream = `producer-kept-${what.replaceAll(" ", "-")}`;
  const stored = await batch(client, stream, { id: "a", sequence: 1 }, 3);
  await batch(client, stream, { id: "b", sequence: 1 }, 2);

  if (what.includes("trim")) {
    await client.call("deleteMessages", { stream, through: 4 });
  }
  if (what.includes("eviction")) {
    await evict(env.STREAM.getByName(stream));
  }

  expect(await batch(client, stream, { id: "a", sequence: 2 }, 2)).toEqual({
    ...stored,
    firstSequence: 2,
    duplicate: true,
  });
  expect(await batch(client, stream, { id: "a", sequence: 4 }, 1)).toMatchObject({
    firstSequence: 6,
    duplicate: false,
  });
});

it("tells where a producer is, and lists them", async () => {
  const client = await connect();
  const stream = "producer-info";

  expect(await client.call("getProducer", { stream, producer: "a" })).toEqual({
    producer: { id: "a", epoch: 0, sequence: 0 },
  });
  await expect(client.call("listProducers", { stream })).rejects.toMatchObject({ code: ErrorCode.NotFound });
  const b = await batch(client, stream, { id: "b", epoch: 3, sequence: 1 }, 2);
  const a = await batch(client, stream, { id: "a", sequence: 1 }, 1);

  const infoA = { producer: { id: "a", epoch: 0, sequence: 1 }, lastSequence: 3, lastPublishedAt: a.publishedAt };
  const infoB = { producer: { id: "b", epoch: 3, sequence: 2 }, lastSequence: 2, lastPublishedAt: b.publishedAt };
  expect(await client.call("getProducer", { stream, producer: "b" })).toEqual({ epoch: b.epoch, ...infoB });
  expect(await client.call("listProducers", { stream })).toEqual({
    epoch: b.epoch,
    producers: [infoA, infoB],
    more: false,
  });
  expect(await client.call("listProducers", { stream, limit: 1 })).toMatchObject({ producers: [infoA], more: true });
  expect(await client.call("listProducers", { stream, after: "a" })).toMatchObject({ producers: [infoB], more: false });
});

it("forgets a producer that was not heard from for its window", async () => {
  const client = await connect();
  const stream = "producer-forgotten";
  await client.call("configureStream", { stream, producerWindowMs: 60_000 });
  await batch(client, stream, { id: "a", sequence: 1 }, 2);

  vi.setSystemTime(Date.now() + 60_001);

  await expect(batch(client, stream, { id: "a", sequence: 3 }, 1)).rejects.toMatchObject({
    data: { producer: { epoch: 0, sequence: 0 } },
  });
  expect(await client.call("getProducer", { stream, producer: "a" })).toMatchObject({ producer: { sequence: 0 } });
  expect(await client.call("listProducers", { stream })).toMatchObject({ producers: [] });
  expect(await batch(client, stream, { id: "a", sequence: 1 }, 1)).toMatchObject({ firstSequence: 3 });
});

it("knows no producer of a stream that was deleted and made again", async () => {
  const client = await connect();
  const stream = "producer-deleted";
  await batch(client, stream, { id: "a", sequence: 1 }, 2);

  await client.call("deleteStream", { stream });

  await expect(batch(client, stream, { id: "a", sequence: 3 }, 1)).rejects.toMatchObject({ code: ErrorCode.Conflict });
  expect(await batch(client, stream, { id: "a", sequence: 1 }, 1)).toMatchObject({ firstSequence: 1 });
});

it("answers a repetition that is older than what is remembered with the producer's last message", async () => {
  const client = await connect();
  const stream = "producer-old";
  const rounds = Math.ceil((2 * LIMITS.producerMessages) / LIMITS.batchMessages) + 2;
  let last = await batch(client, stream, { id: "b", sequence: 1 }, 1);
  for (let round = 0; round < rounds; round += 1) {
    last = await batch(client, stream, { id: "a", sequence: round * LIMITS.batchMessages + 1 }, LIMITS.batchMessages);
  }

  const newest = rounds * LIMITS.batchMessages;
  const { publishedAt, lastSequence: sequence } = last;
  const publish = (of: number) => client.call("publish", { stream, data: 0, producer: { id: "a", sequence: of } });
  expect(await publish(1)).toMatchObject({ sequence, publishedAt, duplicate: true, approximate: true });
  expect(await publish(newest - LIMITS.producerMessages + 1)).toMatchObject({
    sequence: 1 + newest - LIMITS.producerMessages + 1,
    duplicate: true,
  });
  expect(await batch(client, stream, { id: "a", sequence: 1 }, 3)).toMatchObject({
    firstSequence: sequence,
    lastSequence: sequence,
    duplicate: true,
    ranges: [{ count: 3, approximate: true }],
  });
});

it.each([
  ["sequence 0", { id: "a", sequence: 0 }],
  ["a negative sequence", { id: "a", sequence: -1 }],
  ["a fraction", { id: "a", sequence: 1.5 }],
  ["a sequence beyond 2^53 - 1", { id: "a", sequence: Number.MAX_SAFE_INTEGER + 1 }],
  ["a batch across 2^53 - 1", { id: "a", sequence: Number.MAX_SAFE_INTEGER }],
  ["an empty id", { id: "", sequence: 1 }],
  ["an id of 65 characters", { id: "a".repeat(65), sequence: 1 }],
  ["half of a surrogate pair", { id: "\ud800", sequence: 1 }],
  ["a negative epoch", { id: "a", sequence: 1, epoch: -1 }],
  ["a field that is not known", { id: "a", sequence: 1, seq: 1 }],
])("refuses %s with InvalidParams, and stores nothing", async (_, producer) => {
  const client = await connect();
  const stream = "producer-invalid";

  await expect(batch(client, stream, producer, 2)).rejects.toMatchObject({ code: ErrorCode.InvalidParams });

  await expect(client.call("getStreamInfo", { stream })).rejects.toMatchObject({ code: ErrorCode.NotFound });
});

it("refuses a producer beside an id", async () => {
  const client = await connect();
  const params = { stream: "producer-and-id", data: 1, id: "x", producer: { id: "a", sequence: 1 } };

  await expect(client.call("publish", params)).rejects.toMatchObject({
    code: ErrorCode.InvalidParams,
    data: { issues: [{ path: "producer" }] },
  });
});

it("takes a message of another producer of the same name for a repetition: names are the producers' own affair", async () => {
  const client = await connect();
  const stream = "producer-namesake";
  const first = await client.call("publish", { stream, data: "mine", producer: { id: "a", sequence: 1 } });

  const second = await client.call("publish", { stream, data: "yours", producer: { id: "a", sequence: 1 } });

  expect(second).toEqual({ ...first, duplicate: true });
  expect(await dataOf(client, stream)).toEqual(["mine"]);
});

it("knows so many producers, and refuses one more until one of them is forgotten", { timeout: 60_000 }, async () => {
  const client = await connect();
  const stream = "producer-many";
  const publish = (number: number) =>
    client.call("publish", { stream, data: number, producer: { id: `p${number}`, sequence: 1 } });
  for (let first = 0; first < LIMITS.producers; first += 40) {
    await Promise.all(range(first, first + 39).map(publish));
  }

  await expect(publish(LIMITS.producers)).rejects.toMatchObject({
    code: ErrorCode.LimitReached,
    data: { what: "producers", limit: LIMITS.producers },
  });
  expect(await client.call("publish", { stream, data: 1, producer: { id: "p1", sequence: 2 } })).toMatchObject({
    duplicate: false,
  });
  await client.call("configureStream", { stream, producerWindowMs: 60_000 });
  vi.setSystemTime(Date.now() + 60_001);
  expect(await publish(LIMITS.producers)).toMatchObject({ duplicate: false });
});
