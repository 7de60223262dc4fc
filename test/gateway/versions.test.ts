import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";

import { CloseCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, gatewayOf, range } from "../harness/objects.ts";

/** An attachment as it is stored. */
type Stored = Record<string, unknown> & { subscriptions: number[][]; consumers: number[][] };

/**
 * Has what is stored of a client's socket written by code of another version.
 *
 * @returns The gateway, which sleeps now.
 */
async function rewriteAttachment(client: TestClient, rewrite: (stored: Stored) => unknown) {
  const gateway = await gatewayOf(client);
  const { connection } = await client.call("getServerInfo", {});
  await evict(gateway);
  await runInDurableObject(gateway, (_gateway, state) => {
    for (const socket of state.getWebSockets()) {
      const stored: Stored & { connectedAt: number } = socket.deserializeAttachment();
      if (stored.connectedAt === connection?.connectedAt && stored.subscriptions.length + stored.consumers.length > 0) {
        socket.serializeAttachment(rewrite(stored));
      }
    }
  });
  await evict(gateway);
  return gateway;
}

/** A client that has three messages of a stream, and holds two of them by a consumer. */
async function followed(stream: string) {
  const client = await connect();
  await client.call("createConsumer", { stream, consumer: "c", ackWaitMs: 600_000, backoffMs: [] });
  await client.call("publishBatch", { stream, messages: range(1, 3).map((data) => ({ data })) });
  const { subscription: own } = await client.call("subscribe", { stream });
  const { subscription: shared } = await client.call("subscribe", { stream, consumer: "c" });
  await client.untilMessages(3, own);
  await client.untilMessages(3, shared);
  await client.call("ack", { subscription: shared, sequences: [1] });
  return { client, own, shared };
}

it("goes on from the positions that a later version has stored, and keeps what it does not know of it", async () => {
  const stream = "attached-by-later";
  const { client, own, shared } = await followed(stream);
  const gateway = await rewriteAttachment(client, (stored) => ({
    ...stored,
    later: { kept: true },
    subscriptions: stored.subscriptions.map((tuple) => [...tuple, 7, 8]),
    consumers: stored.consumers.map((tuple) => [...tuple, 9]),
  }));

  await client.call("publish", { stream, data: 4 });
  await client.untilMessages(4, own);
  await client.untilMessages(4, shared);
  await client.call("ack", { subscription: own, through: 4 });
  await client.call("ack", { subscription: shared, sequences: [2, 3, 4] });
  await evict(gateway);
  await client.call("publish", { stream, data: 5 });
  await client.untilMessages(5, own);
  await client.untilMessages(5, shared);

  expect(client.sequences(own)).toEqual(range(1, 5));
  expect(client.sequences(shared)).toEqual(range(1, 5));
  expect(client.of("messages", own).map(({ previous }) => previous)).toEqual([0, 3, 4]);
  expect(client.closed).toBeUndefined();
  const kept = await runInDurableObject(gateway, (_gateway, state) =>
    state.getWebSockets().map((socket) => Reflect.get(Object(socket.deserializeAttachment()), "later") as unknown),
  );
  expect(kept).toContainEqual({ kept: true });
});

it("goes on from the positions that the version before has stored", async () => {
  const stream = "attached-by-earlier";
  const { client, own } = await followed(stream);
  await rewriteAttachment(client, ({ form: _later, ...stored }) => stored);

  await client.call("publish", { stream, data: 4 });
  await client.untilMessages(4, own);

  expect(client.sequences(own)).toEqual(range(1, 4));
  expect(client.closed).toBeUndefined();
});

const unreadable: [what: string, rewrite: (stored: Stored) => unknown][] = [
  ["of another form", (stored) => ({ ...stored, form: 2 })],
  ["without its subscriptions", ({ subscriptions: _left, ...stored }) => stored],
  ["with a position that is too short", (stored) => ({ ...stored, subscriptions: [[1, 2, 3]] })],
  ["with a position that is none", (stored) => ({ ...stored, consumers: [["1", 2]] })],
  ["of nothing", () => null],
];

it.each(unreadable)("closes a socket with an attachment %s, and serves the others", async (what, rewrite) => {
  const stream = `attached-${what.replaceAll(" ", "-")}`;
  const { client, own } = await followed(stream);
  const gateway = await rewriteAttachment(client, rewrite);

  // Of the gateway that it was at: it wakes for another of its sockets as well as for the stream.
  const beside = await connect();
  await beside.call("publish", { stream, data: 4 });
  const { code } = await client.until(() => client.closed, "the socket to close");
  const last = client.sequences(own).at(-1) ?? 0;
  const again = await connect();
  const { subscription } = await again.call("subscribe", { stream, from: { sequence: last + 1 } });
  const { subscription: shared } = await again.call("subscribe", { stream, consumer: "c" });
  await again.untilMessages(1, subscription);
  await again.untilMessages(3, shared);

  expect(code).toBe(CloseCode.InternalError);
  expect(again.sequences(subscription)).toEqual([4]);
  expect(again.sequences(shared).toSorted((a, b) => a - b)).toEqual([2, 3, 4]);
  await runInDurableObject(gateway, (_gateway, { storage }) => {
    const rows = storage.sql.exec("SELECT socket FROM subscriptions WHERE stream = ?", stream).toArray();
    expect(rows.length).toBeLessThanOrEqual(1);
  });
});
