/** What a socket is sent before its client has acked anything, and while many clients have not read. */
import { describe, expect } from "vitest";

import { test as base } from "../../server/fixtures.ts";
import type { Client } from "../../server/client.ts";

import { acknowledge, MESSAGES, publishTo } from "./reader.ts";

const STREAM = "unread";
const SUBSCRIBE = { stream: STREAM, maxInFlight: 10_000 };
/** With a megabyte unread each they would hold all that an isolate may. */
const SLOW_CLIENTS = 50;
/** Each gets all messages, and all of them more than the operating systems of both sides hold of a connection. */
const SUBSCRIPTIONS = 16;

describe("where only acks have more sent", () => {
  const test = base.extend({ options: { vars: { PUSH_CHECK_MS: "600000" } } });

  test("a client that acks nothing is sent a megabyte while one that acks is sent everything", async ({ connect }) => {
    const [silent, reader] = [await connect(), await connect()];
    await publishTo(reader, STREAM);
    const received = () =>
      silent.notifications.reduce(
        (sum, { method, params }) => sum + (method === "messages" ? params.messages.length : 0),
        0,
      );

    await Promise.all(Array.from({ length: SUBSCRIPTIONS }, () => silent.call("subscribe", SUBSCRIBE)));
    await readAll(reader, SUBSCRIPTIONS);

    await expect.poll(received).toBeGreaterThan(MESSAGES / 2);
    // A page more may have been on its way.
    expect(received()).toBeLessThan(2 * MESSAGES);
  });

  test.for(["stream", "consumer"] as const)(
    "a client that has acked a megabyte of a %s is sent more, though it acks no longer",
    async (kind, { connect }) => {
      const [client, publisher] = [await connect(), await connect()];
      await publishTo(publisher, STREAM);
      const subscribe = async (index: number) => {
        const consumer = `c${index}`;
        if (kind === "consumer") {
          await publisher.call("createConsumer", { stream: STREAM, consumer, maxInFlight: 10_000 });
        }
        return client.call("subscribe", kind === "consumer" ? { ...SUBSCRIBE, consumer } : SUBSCRIBE);
      };

      acknowledge(client, kind);
      for (let index = 0; index < 2; index += 1) {
        const { subscription } = await subscribe(index);
        await client.untilMessages(MESSAGES, subscription);
      }
      client.onNotification = undefined;
      const silent = await Promise.all([2, 3, 4].map(subscribe));

      for (const { subscription } of silent) {
        expect(await client.untilMessages(MESSAGES, subscription)).toHaveLength(MESSAGES);
      }
    },
  );
});

describe("at one gateway, which counts what is unread with each large answer", () => {
  const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1" } } });

  test("many slow clients leave room for large answers and HTTP", async ({ connect, server }) => {
    const reader = await connect();
    await publishTo(reader, STREAM);
    const slow = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => connect()));

    // They have acked, so they are sent as much as they have room for.
    await Promise.all([reader, ...slow].map((client) => readAll(client, 2)));
    for (const client of slow) {
      client.onNotification = undefined;
      client.pause();
      for (let id = 1; id <= SUBSCRIPTIONS; id += 1) {
        client.send(JSON.stringify({ jsonrpc: "2.0", id: `${id}`, method: "subscribe", params: SUBSCRIBE }));
      }
    }
    // By turns with them: when it has read as much several times, they have what they get.
    await readAll(reader, 4 * SUBSCRIPTIONS);
    const { error } = await reader.request("getMessages", { stream: STREAM });
    const { status } = await fetch(new URL("/rpc", server.url), {
      method: "POST",
      headers: { Authorization: `Bearer ${server.apiKey}` },
      body: '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}',
    });

    expect([error, status]).toEqual([undefined, 200]);
  });
});

/** Subscribes so many times, and acks what comes until all of it has. */
async function readAll(client: Client, times: number): Promise<void> {
  acknowledge(client, "stream");
  for (let index = 0; index < times; index += 1) {
    const { subscription } = await client.call("subscribe", SUBSCRIBE);
    await client.untilMessages(MESSAGES, subscription);
  }
}
