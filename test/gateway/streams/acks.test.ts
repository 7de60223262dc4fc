import { expect, it } from "vitest";

import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";

async function publish(client: TestClient, stream: string, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, index) => ({ data: index }));
  await client.call("publishBatch", { stream, messages });
}

it("sends a follower that never acks exactly maxInFlight, again maxDeliver times, and closes it; others do not notice", async () => {
  const stream = "never-acks";
  const silent = await connect();
  const healthy = await connect();
  const follow = { stream, maxInFlight: 7, ackWaitMs: 300, maxDeliver: 3 };
  const { subscription } = await silent.call("subscribe", follow);
  const other = await healthy.call("subscribe", { stream });

  await publish(healthy, stream, 10);
  await publish(healthy, stream, 10);
  const closed = await silent.until(() => silent.of("subscriptionClosed")[0], "subscriptionClosed");

  const window = [1, 2, 3, 4, 5, 6, 7];
  expect(silent.sequences()).toEqual([...window, ...window, ...window]);
  expect(closed).toEqual({ subscription, reason: "ackTimeout" });
  expect(silent.notifications.at(-1)?.method).toBe("subscriptionClosed");
  expect(healthy.sequences(other.subscription)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(healthy.of("subscriptionClosed")).toEqual([]);
  // The socket itself lives on.
  expect(await silent.call("getState", { stream })).toEqual({ epoch: expect.any(String), state: null, revision: 0 });
});

it("sends one message at a time with maxInFlight 1, the next only after the ack", async () => {
  const stream = "one-by-one";
  const client = await connect();
  await publish(client, stream, 5);

  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 1 });

  for (let sequence = 1; sequence <= 5; sequence += 1) {
    expect(await client.untilMessages(sequence)).toEqual(Array.from({ length: sequence }, (_, index) => index + 1));
    await client.call("ack", { subscription, through: sequence });
  }
});

it("goes back to the ack floor when an ack is overdue, and on from there", async () => {
  const stream = "go-back";
  const client = await connect();
  await publish(client, stream, 6);

  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 4, ackWaitMs: 1_500 });
  await client.untilMessages(4);
  await client.call("ack", { subscription, through: 2 });
  await client.untilMessages(6);
  await client.untilMessages(10);
  await client.call("ack", { subscription, through: 6 });

  expect(client.sequences()).toEqual([1, 2, 3, 4, 5, 6, 3, 4, 5, 6]);
  const previous = client.of("messages").map((params) => [params.previous, params.messages[0]?.sequence]);
  expect(previous.filter(([, first]) => first === 3)).toEqual([[2, 3]]);
});

it("goes back to the middle of a frame that was acked in part, and says after which message", async () => {
  const stream = "go-back-within";
  const client = await connect();
  const { subscription } = await client.call("subscribe", { stream, ackWaitMs: 1_500 });
  await publish(client, stream, 2);
  await publish(client, stream, 2);
  await client.untilMessages(4);

  await client.call("ack", { subscription, through: 3 });
  await client.untilMessages(5);

  const frames = client
    .of("messages")
    .map(({ previous, messages }) => [previous, ...messages.map((one) => one.sequence)]);
  expect(frames).toEqual([
    [0, 1, 2],
    [2, 3, 4],
    [3, 4],
  ]);
});

it("does not send again what a late ack of an earlier round covers", async () => {
  const stream = "late-ack";
  const client = await connect();
  await publish(client, stream, 3);

  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 3, ackWaitMs: 1_500, maxDeliver: 2 });
  await client.untilMessages(6);
  await client.call("ack", { subscription, through: 3 });
  await publish(client, stream, 1);
  await client.untilMessages(7);

  expect(client.sequences()).toEqual([1, 2, 3, 1, 2, 3, 4]);
  expect(client.of("subscriptionClosed")).toEqual([]);
});

it("counts sends message by message: one that came later is not closed over one that came before", async () => {
  const stream = "counts";
  const client = await connect();
  await publish(client, stream, 2);

  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 2, ackWaitMs: 1_500, maxDeliver: 2 });
  await client.untilMessages(2);
  await client.untilMessages(4);
  await client.call("ack", { subscription, through: 2 });
  await publish(client, stream, 2);
  await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");

  expect(client.sequences()).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
});

it("refuses an ack of what was never sent, and changes nothing by it", async () => {
  const stream = "ack-too-far";
  const client = await connect();
  await publish(client, stream, 3);
  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 2 });
  await client.untilMessages(2);

  const refused = await client.callError("ack", { subscription, through: 3 });
  const unknown = await client.callError("ack", { subscription: 99, through: 1 });

  expect([refused.code, refused.data]).toEqual([-32_004, { lastSequence: 2 }]);
  expect([unknown.code, unknown.data]).toEqual([-32_003, { what: "subscription" }]);
  await client.call("ack", { subscription, through: 2 });
  expect(await client.untilMessages(3)).toEqual([1, 2, 3]);
});

it("takes an ack as a notification", async () => {
  const stream = "ack-notified";
  const client = await connect();
  await publish(client, stream, 2);
  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 1 });
  await client.untilMessages(1);

  client.notify("ack", { subscription, through: 1 });

  expect(await client.untilMessages(2)).toEqual([1, 2]);
});

it.each([
  ["ascii", "x".repeat(200_000)],
  // Two bytes each.
  ["umlauts", "ä".repeat(100_000)],
])("stops a subscription that holds 1 MiB of %s unacked, until it acks", async (name, data) => {
  const stream = `large-${name}`;
  const client = await connect();
  for (let count = 0; count < 8; count += 1) {
    await client.call("publish", { stream, data });
  }

  const { subscription } = await client.call("subscribe", { stream });
  await client.untilMessages(6);
  await client.call("getStreamInfo", { stream });
  const held = client.sequences();
  await client.call("ack", { subscription, through: 6 });
  await client.untilMessages(8);

  expect(held).toEqual([1, 2, 3, 4, 5, 6]);
  expect(client.sequences()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});
