import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { deliveries, publishMany, streamWithConsumer, untilDelivery } from "../harness/consumers.ts";
import { range } from "../harness/objects.ts";

/** "Internal error" in RFC 6455 section 7.4.1: what a worker that failed says, if anything. */
const FAILED = 1011;

/** Waits until so many subscriptions share the consumer. */
async function untilSubscriptions(stream: string, subscriptions: number): Promise<void> {
  const client = await connect();
  await expect.poll(async () => client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ subscriptions });
}

/** Makes suspects of everything that the consumer may deliver now: two subscriptions in turn are lost with all of it. */
async function loseTwice(stream: string, count: number): Promise<void> {
  for (let time = 1; time <= 2; time += 1) {
    const worker = await connect();
    await worker.call("subscribe", { stream, consumer: "c" });
    await worker.untilMessages(count);
    worker.close(FAILED);
  }
  await untilSubscriptions(stream, 0);
}

/** Whether a message is one of the first four, which a test made suspects of. */
function isSuspect(sequence: number): boolean {
  return sequence <= 4;
}

/** Acks the last `count` messages that came on a client's one subscription. */
async function ackLast(client: TestClient, count: number): Promise<void> {
  await client.call("ack", { subscription: 1, sequences: client.sequences().slice(-count) });
}

/** Acks whatever comes on a subscription, but what `isLeft` says. */
function ackAll(client: TestClient, subscription: number, isLeft: (sequence: number) => boolean = () => false): void {
  client.onNotification = ({ method, params }) => {
    if (method === "messages" && params.subscription === subscription) {
      const sequences = params.messages.map(({ sequence }) => sequence).filter((sequence) => !isLeft(sequence));
      if (sequences.length > 0) {
        client.notify("ack", { subscription, sequences });
      }
    }
  };
}

it("delivers one by one, each after the one before is settled, what two lost sockets held", async () => {
  const client = await connect();
  const stream = "one-by-one-suspects";
  await streamWithConsumer(client, stream, 3, { ackWaitMs: 60_000 });
  await loseTwice(stream, 3);

  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  for (const sequence of range(1, 3)) {
    await client.untilMessages(sequence);
    expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ inFlight: 1 });
    await client.call("ack", { subscription, sequences: [sequence] });
  }
  await publishMany(client, stream, 2);
  await client.untilMessages(5);

  expect(deliveries(client)).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 1],
    [5, 1],
  ]);
});

it("gives each of several subscriptions one suspect at a time", async () => {
  const clients = [await connect(), await connect(), await connect()];
  const stream = "several-suspects";
  await streamWithConsumer(await connect(), stream, 5, { ackWaitMs: 60_000 });
  await loseTwice(stream, 5);

  for (const client of clients) {
    await client.call("subscribe", { stream, consumer: "c" });
  }
  await Promise.all(clients.map((client) => client.untilMessages(1)));

  expect(clients.map((client) => client.sequences())).toEqual([[1], [2], [3]]);
});

it("fetches a suspect alone, and others with as many as asked for", async () => {
  const client = await connect();
  const stream = "fetched-suspects";
  await streamWithConsumer(client, stream, 2, { ackWaitMs: 60_000 });
  await loseTwice(stream, 2);
  await publishMany(client, stream, 3);

  const fetched = [];
  for (let time = 1; time <= 3; time += 1) {
    const { messages } = await client.call("fetchMessages", { stream, consumer: "c", limit: 10 });
    fetched.push(messages.map(({ sequence, deliveryCount }) => [sequence, deliveryCount]));
  }

  expect(fetched).toEqual([
    [[1, 3]],
    [[2, 3]],
    [
      [3, 1],
      [4, 1],
      [5, 1],
    ],
  ]);
});

it("lets neither suspects wait for the others for ever, nor the others for suspects", async () => {
  const [one, other, publisher] = [await connect(), await connect(), await connect()];
  const stream = "neither-starves";
  await streamWithConsumer(publisher, stream, 4, { ackWaitMs: 60_000 });
  await loseTwice(stream, 4);
  // Both are kept busy without a pause.
  for (const client of [one, other]) {
    const { subscription } = await client.call("subscribe", { stream, consumer: "c", maxInFlight: 10 });
    ackAll(client, subscription, isSuspect);
  }
  await expect.poll(() => [...one.sequences(), ...other.sequences()].filter(isSuspect).length).toBe(2);
  const [holder, second] = one.sequences().includes(1) ? [one, other] : [other, one];
  await publishMany(publisher, stream, 300);
  // Each has a suspect. Who settles it goes on with the others, as long as there are any: the other one has a suspect still.
  await holder.call("ack", { subscription: 1, sequences: [1] });
  await untilDelivery(holder, 3, 3);
  await second.call("ack", { subscription: 1, sequences: [2] });
  await untilDelivery(second, 4, 3);

  expect(holder.sequences()).toEqual([1, ...range(5, 304), 3]);
  expect(second.sequences()).toEqual([2, 4]);
});

it("empties one of several busy subscriptions for a suspect, and feeds the others meanwhile", async () => {
  const [one, other, publisher] = [await connect(), await connect(), await connect()];
  const stream = "emptied";
  await streamWithConsumer(publisher, stream, 2, { ackWaitMs: 60_000 });
  for (let time = 1; time <= 2; time += 1) {
    const worker = await connect();
    await worker.call("subscribe", { stream, consumer: "c", maxInFlight: 2 });
    await worker.untilMessages(2);
    if (time === 2) {
      await one.call("subscribe", { stream, consumer: "c", maxInFlight: 5 });
      await other.call("subscribe", { stream, consumer: "c", maxInFlight: 5 });
      await publishMany(publisher, stream, 100);
      await one.untilMessages(5);
      await other.untilMessages(5);
    }
    worker.close(FAILED);
  }
  await untilSubscriptions(stream, 2);
  await ackLast(one, 2);
  await ackLast(other, 1);
  await other.untilMessages(6);
  const [emptying, fed] = [one.sequences().length, other.sequences().length];
  await one.call("ack", { subscription: 1, sequences: one.sequences() });
  await one.untilMessages(6);
  await ackLast(one, 1);
  await one.untilMessages(7);
  await ackLast(one, 1);
  await one.untilMessages(12);

  // The one nearest to empty is given nothing for what it settles, the other one is.
  expect([emptying, fed]).toEqual([5, 6]);
  expect(deliveries(one).slice(5, 7)).toEqual([
    [1, 3],
    [2, 3],
  ]);
  expect(one.sequences()).toHaveLength(12);
  expect(other.sequences().filter((sequence) => sequence <= 2)).toEqual([]);
});

it("buries nothing that waits behind a message on which its worker hangs", async () => {
  const stream = "hangs";
  const client = await connect();
  await streamWithConsumer(client, stream, 20, { ackWaitMs: 300, backoffMs: [0], maxDeliver: 2 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });

  // It works on message 1 for longer than maxDeliver ack deadlines, and on nothing behind it.
  await untilDelivery(client, 20, 2);
  await expect
    .poll(async () => client.call("getConsumer", { stream, consumer: "c" }), { interval: 20 })
    .toMatchObject({ inFlight: 1 });
  await client.call("ack", { subscription, sequences: range(1, 20) });

  expect(await client.call("getConsumer", { stream, consumer: "c" })).toMatchObject({ ackFloor: 20, deadLetters: 0 });
});

it("buries what its worker passes over after exactly maxDeliver deliveries, and holds up nothing else for it", async () => {
  const stream = "passed-over";
  const [client, publisher] = [await connect(), await connect()];
  await streamWithConsumer(publisher, stream, 0, { ackWaitMs: 300, backoffMs: [0], maxDeliver: 3 });
  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  ackAll(client, subscription, (sequence) => sequence === 1);
  const info = async () => publisher.call("getConsumer", { stream, consumer: "c" });

  let published = 0;
  while ((await info()).deadLetters === 0) {
    published += 2;
    await publishMany(publisher, stream, 2);
  }
  await expect.poll(info).toMatchObject({ ackFloor: published, inFlight: 0, deadLetters: 1 });

  expect(deliveries(client).filter(([sequence]) => sequence === 1)).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
  expect(deliveries(client).filter(([, count]) => count > 1)).toHaveLength(2);
});
