/** What a socket gets whose client stops reading, and reads again: everything, later. */
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect } from "vitest";

import { ErrorCode } from "../../../../rpc/index.ts";
import { test as base } from "../../server/fixtures.ts";
import type { Client } from "../../server/client.ts";

import { acknowledge, MESSAGES, publishTo } from "./reader.ts";

/** Their answers are many times what a socket may have unread, and what the operating systems hold. */
const MOST_CALLS = 200_000;
/** More than the operating systems of both sides hold, and a socket of the server besides, when each gets all messages. */
const SUBSCRIPTIONS = 40;

const WAITS = { PUSH_CHECK_MS: "500", ROOM_WAIT_MS: "500" };

describe.each([
  ["the runtime tells what is unread", WAITS],
  ["only acks tell", { ...WAITS, BUFFERED_AMOUNT: "untold" }],
])("where %s", (_name, vars) => {
  const test = base.extend({ options: { vars } });

  test("a client that pauses is not closed, and gets every message of every subscription when it acks", async ({
    connect,
  }) => {
    const [client, publisher] = [await connect(), await connect()];
    const stream = "paused";
    const subscriptions = await subscribeAll(client, () => ({ stream, maxInFlight: 10_000 }));
    acknowledge(client, "stream");

    client.pause();
    await publishTo(publisher, stream);
    client.resume();

    for (const subscription of subscriptions) {
      expect(await client.untilMessages(MESSAGES, subscription)).toEqual(sequencesTo(MESSAGES));
    }
    expect(client.closed).toBeUndefined();
  });

  test("a worker that pauses gets its share of every consumer later, each message once", async ({ connect }) => {
    const [client, publisher] = [await connect(), await connect()];
    const stream = "paused-worker";
    await publishTo(publisher, stream);
    const names = Array.from({ length: SUBSCRIPTIONS }, (_, index) => `workers-${index}`);
    await Promise.all(
      names.map((consumer) => publisher.call("createConsumer", { stream, consumer, maxInFlight: 10_000 })),
    );
    acknowledge(client, "consumer");

    client.pause();
    const subscribing = subscribeAll(client, (index) => ({
      stream,
      consumer: names[index] ?? "",
      maxInFlight: 10_000,
    }));
    await publisher.call("getServerInfo", {});
    client.resume();

    for (const subscription of await subscribing) {
      const sequences = await client.untilMessages(MESSAGES, subscription);
      expect(sequences.toSorted((a, b) => a - b)).toEqual(sequencesTo(MESSAGES));
    }
    expect(client.closed).toBeUndefined();
  });

  test("a client that does not read is answered Busy for large answers, and told when to try again", async ({
    connect,
  }) => {
    const client = await connect();
    const stream = "unread-pages";
    await publishTo(client, stream);

    client.pause();
    const answers = Array.from({ length: 60 }, () => client.request("getMessages", { stream }));
    // A refusal can not be seen by a client that does not read: this is longer than calls wait for room.
    await delay(1_500);
    client.resume();

    const refused = (await Promise.all(answers)).flatMap(({ error }) => error ?? []);
    expect(refused.length).toBeGreaterThan(20);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set([ErrorCode.Busy]));
    expect(refused[0]?.data).toMatchObject({ what: "outgoingCloseBytes", retryAfterMs: expect.any(Number) });
  });
});

const test = base.extend({ options: { vars: { PUSH_CHECK_MS: "500" } } });

test("a client that has read is sent to again, though it says nothing", async ({ connect }) => {
  const [client, publisher] = [await connect(), await connect()];
  const stream = "paused-quietly";
  const subscriptions = await subscribeAll(client, () => ({ stream, maxInFlight: 10_000 }));

  client.pause();
  await publishTo(publisher, stream);
  client.resume();

  for (const subscription of subscriptions) {
    expect(await client.untilMessages(MESSAGES, subscription)).toEqual(sequencesTo(MESSAGES));
  }
});

test("one that reads as much as it asks for gets all of it, however much it asks for at once", async ({ connect }) => {
  const client = await connect();
  const stream = "pipelined-pages";
  await publishTo(client, stream);

  const answers = await Promise.all(Array.from({ length: 60 }, () => client.request("getMessages", { stream })));

  expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
});

test("a socket is closed with 4413 when 4 MiB of answers wait for it, and others are not", async ({
  connect,
  server,
}) => {
  const [client, other] = [await connect(), await connect()];
  const shared = { stream: "overrun", consumer: "c" };
  await client.call("createConsumer", shared);
  await client.call("subscribe", shared);

  client.pause();
  let subscriptions = 1;
  for (let sent = 0; subscriptions > 0 && sent < MOST_CALLS; sent += 1_000) {
    for (let index = 0; index < 1_000; index += 1) {
      client.send('{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}');
    }
    // It ends with its socket.
    ({ subscriptions } = await other.call("getConsumer", shared));
  }
  client.resume();

  expect(subscriptions).toBe(0);
  expect((await client.untilClosed()).code).toBe(4413);
  expect(server.log).toContain('"level":"warn","what":"a socket is closed, as its client reads too slowly"');
  expect((await other.call("getServerInfo", {})).name).toBe("durable-stream");
});

async function subscribeAll(client: Client, params: (index: number) => Parameters<typeof client.call<"subscribe">>[1]) {
  const opened = Array.from({ length: SUBSCRIPTIONS }, (_, index) => client.call("subscribe", params(index)));
  return (await Promise.all(opened)).map(({ subscription }) => subscription);
}

function sequencesTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}
