import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { publishMany, publishSubjects, streamWithConsumer } from "../harness/consumers.ts";
import { range } from "../harness/objects.ts";

it("counts what matches and is pending, however much does not", async () => {
  const client = await connect();
  const stream = "sparse";
  await client.call("createConsumer", { stream, consumer: "c", filter: "rare", maxInFlight: 2 });
  const subjects = range(1, 400).map((sequence) => (sequence % 100 === 0 ? "rare" : "common"));
  await publishSubjects(client, stream, subjects);
  const counts: number[] = [];
  const count = async () => {
    counts.push((await client.call("getConsumer", { stream, consumer: "c" })).pending);
  };

  await count();
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(2);
  await count();
  await client.call("deleteMessages", { stream, sequences: [399, 400] });
  await count();
  await publishSubjects(client, stream, ["rare", "common", "rare"]);
  await count();
  await client.call("deleteMessages", { stream, through: 300 });
  await client.untilMessages(4);
  await count();

  expect(counts).toEqual([4, 2, 1, 3, 0]);
  expect(client.sequences(subscription)).toEqual([100, 200, 401, 403]);
});

it("tells what was trimmed under it, and goes on", async () => {
  const client = await connect();
  const stream = "trimmed";
  await streamWithConsumer(client, stream, 20, { maxInFlight: 5, ackWaitMs: 60_000 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(5);
  await client.call("ack", { subscription, sequences: [1, 2] });
  await client.untilMessages(7);

  // In flight 3 to 7; 8 to 10 never seen.
  await client.call("checkpoint", { stream, state: {}, through: 10 });
  const trimmed = await client.call("getConsumer", { stream, consumer: "c" });
  await client.untilMessages(12);
  await client.call("deleteMessages", { stream, sequences: [2, 12, 17] });
  const holed = await client.call("getConsumer", { stream, consumer: "c" });

  expect(trimmed).toMatchObject({ lost: { from: 3, to: 10, total: 8 }, ackFloor: 10 });
  expect(holed).toMatchObject({ lost: { from: 3, to: 17, total: 10 } });
  expect(client.sequences(subscription).slice(7)).toEqual([11, 12, 13, 14, 15, 16]);
});

it("tells each of several consumers what it had and what it lost, wherever it stood and whatever its filter", async () => {
  const client = await connect();
  const stream = "each-its-own";
  const subjects = range(1, 1_200).map((sequence) => (sequence % 3 === 0 ? "a.x" : sequence % 5 === 0 ? "a.y" : "b"));
  for (let published = 0; published < subjects.length; published += 400) {
    await publishSubjects(client, stream, subjects.slice(published, published + 400));
  }
  const starts = [
    { from: "first", filter: undefined },
    { from: { sequence: 700 }, filter: undefined },
    { from: "first", filter: "a.*" },
    { from: { sequence: 400 }, filter: "a.x" },
    { from: { sequence: 990 }, filter: "b" },
    { from: { sequence: 1_100 }, filter: "a.>" },
  ] as const;
  for (const [index, { from, filter }] of starts.entries()) {
    await client.call("createConsumer", { stream, consumer: `c${index}`, from, ...(filter && { filter }) });
  }
  const holes = [3, 500, 501, 999];
  const wanted = starts.map(({ from, filter }) => {
    const prefix = filter?.replace(/[*>]$/, "") ?? "";
    const matches = (sequence: number) => subjects[sequence - 1]?.startsWith(prefix) === true;
    return range(from === "first" ? 1 : from.sequence, 1_200).filter(matches);
  });

  const before = await client.call("listConsumers", { stream });
  await client.call("deleteMessages", { stream, sequences: holes });
  const holed = await client.call("listConsumers", { stream });
  await client.call("deleteMessages", { stream, through: 1_000 });
  const trimmed = await client.call("listConsumers", { stream });

  expect(before.consumers.map(({ pending }) => pending)).toEqual(wanted.map(({ length }) => length));
  expect(holed.consumers.map(({ pending }) => pending)).toEqual(
    wanted.map((sequences) => sequences.filter((sequence) => !holes.includes(sequence)).length),
  );
  expect(trimmed.consumers.map(({ pending, lost }) => ({ pending, lost }))).toEqual(
    wanted.map((sequences) => {
      const gone = sequences.filter((sequence) => sequence <= 1_000);
      const lost = { from: gone.at(0), to: gone.at(-1), total: gone.length };
      return { pending: sequences.length - gone.length, lost: gone.length === 0 ? undefined : lost };
    }),
  );
});

it("tells what retention drops under it, also while nobody subscribes", async () => {
  const client = await connect();
  const stream = "retained";
  await client.call("configureStream", { stream, maxMessages: 10 });
  await streamWithConsumer(client, stream, 0);
  for (let count = 0; count < 5; count += 1) {
    await publishMany(client, stream, 5);
  }

  const info = await client.call("getConsumer", { stream, consumer: "c" });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(10);

  expect(info).toMatchObject({ lost: { from: 1, to: 15, total: 15 }, pending: 10, ackFloor: 15 });
  expect(client.sequences(subscription)).toEqual(range(16, 25));
});
