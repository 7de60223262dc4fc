/** Many sockets whose clients read slowly leave the isolate room for what others ask. */
import { expect } from "vitest";

import { test as base } from "../server/fixtures.ts";
import type { Client } from "../server/client.ts";

const STREAM = "crowd";
const MIB = 1_048_576;
const MESSAGES = 90;
/** With a megabyte unread each they would hold all that HTTP may have, and half as much again. */
const SLOW_CLIENTS = 24;
/** Each gets all messages, and all of them more than the operating systems of both sides hold of a connection. */
const SUBSCRIPTIONS = 16;

/** At one gateway, which counts what is unread with each large answer. */
const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1" } } });

test("many sockets with something unread hold less each, so that HTTP is answered beside them", async ({
  connect,
  server,
}) => {
  const reader = await connect();
  const data = "x".repeat(MIB / MESSAGES - 1_000);
  await reader.call("publishBatch", { stream: STREAM, messages: Array.from({ length: MESSAGES }, () => ({ data })) });
  const slow = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => connect()));

  // They have acked, so they are sent as much as they have room for.
  await Promise.all([reader, ...slow].map((client) => readAll(client, 2)));
  for (const client of slow) {
    client.onNotification = undefined;
    client.pause();
    for (let id = 1; id <= SUBSCRIPTIONS; id += 1) {
      const params = { stream: STREAM, maxInFlight: 10_000 };
      client.send(JSON.stringify({ jsonrpc: "2.0", id: `${id}`, method: "subscribe", params }));
    }
  }
  // By turns with them: when it has read as much several times, they have what they get.
  await readAll(reader, 4 * SUBSCRIPTIONS);
  // The answer has what is held counted.
  await reader.call("getMessages", { stream: STREAM });
  const { status } = await fetch(new URL("/rpc", server.url), {
    method: "POST",
    headers: { Authorization: `Bearer ${server.apiKey}` },
    body: '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}',
  });

  expect(status).toBe(200);
});

/** Subscribes so many times, and acks what comes until all of it has. */
async function readAll(client: Client, times: number): Promise<void> {
  client.onNotification = (notification) => {
    if (notification.method === "messages") {
      const { subscription, messages } = notification.params;
      client.notify("ack", { subscription, through: messages.at(-1)?.sequence ?? 0 });
    }
  };
  for (let index = 0; index < times; index += 1) {
    const { subscription } = await client.call("subscribe", { stream: STREAM, maxInFlight: 10_000 });
    await client.untilMessages(MESSAGES, subscription);
  }
}
