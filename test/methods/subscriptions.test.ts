import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { postCall } from "../harness/http.ts";

it("follows a stream from its first message on and tells where it is", async () => {
  const client = await connect();
  const stream = "followed";
  const { epoch } = await client.call("publish", { stream, data: 1 });

  const result = await client.call("subscribe", { stream });
  await client.call("publish", { stream, data: 2 });
  await client.untilMessages(2);

  expect(result).toEqual({ subscription: 1, stream, epoch, nextSequence: 1, lastSequence: 1 });
  expect(client.sequences(1)).toEqual([1, 2]);
  expect(client.of("messages").map(({ previous }) => previous)).toEqual([0, 1]);
});

it("numbers the subscriptions of a socket and never uses a number again", async () => {
  const client = await connect();
  const first = await client.call("subscribe", { stream: "numbered-a" });

  await client.call("unsubscribe", { subscription: first.subscription });
  const second = await client.call("subscribe", { stream: "numbered-b" });
  const third = await client.call("subscribe", { stream: "numbered-b" });

  expect([first, second, third].map(({ subscription }) => subscription)).toEqual([1, 2, 3]);
});

it("makes the stream that is followed, so that the first message of it comes", async () => {
  const client = await connect();

  const { lastSequence, nextSequence } = await client.call("subscribe", { stream: "to-be", from: "new" });
  await client.call("publish", { stream: "to-be", data: 1 });

  expect([nextSequence, lastSequence]).toEqual([1, 0]);
  expect(await client.untilMessages(1)).toEqual([1]);
});

it("says what was asked for and is deleted", async () => {
  const client = await connect();
  const stream = "skipped";
  await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });
  await client.call("deleteMessages", { stream, through: 2 });

  const skipping = await client.call("subscribe", { stream, from: { sequence: 1 } });
  const first = await client.call("subscribe", { stream, from: "first" });

  expect(skipping).toMatchObject({ nextSequence: 3, skipped: { from: 1, to: 2 } });
  expect(first).not.toHaveProperty("skipped");
});

it.each<object>([
  { stream: "" },
  { stream: ".hidden" },
  { from: "now" },
  { from: { sequence: 0 } },
  { filter: "a.>.b" },
  { maxInFlight: 0 },
  { maxInFlight: 10_001 },
  { ackWaitMs: 99 },
  { ackWaitMs: 3_600_001 },
  { maxDeliver: 0 },
  { maxDeliver: 101 },
  { epoch: 1 },
  { consumers: "x" },
])("refuses to subscribe with %j, and makes nothing", async (params) => {
  const client = await connect();

  const error = await client.callError("subscribe", { stream: "refused", ...params });

  expect(error.code).toBe(ErrorCode.InvalidParams);
  expect(await env.STREAM.getByName("refused").info()).toBeUndefined();
});

it("knows only the subscriptions of its own socket", async () => {
  const client = await connect();
  const other = await connect();
  const { subscription } = await other.call("subscribe", { stream: "others" });
  await other.call("publish", { stream: "others", data: 1 });

  const errors = [
    await client.callError("unsubscribe", { subscription }),
    await client.callError("ack", { subscription, through: 1 }),
  ];

  expect(errors.map(({ code, data }) => ({ code, data }))).toEqual([
    { code: ErrorCode.NotFound, data: { what: "subscription" } },
    { code: ErrorCode.NotFound, data: { what: "subscription" } },
  ]);
  expect(await other.untilMessages(1)).toEqual([1]);
});

it("takes no ack of what was never sent", async () => {
  const client = await connect();
  const stream = "unsent";
  await client.call("publish", { stream, data: 1 });
  const { subscription } = await client.call("subscribe", { stream });
  await client.untilMessages(1);

  const conflict = await client.callError("ack", { subscription, through: 2 });
  const done = await client.call("ack", { subscription, through: 1 });
  const again = await client.call("ack", { subscription, through: 1 });

  expect(conflict).toMatchObject({ code: ErrorCode.Conflict, data: { lastSequence: 1 } });
  expect([done, again]).toEqual([{}, {}]);
});

it("sends nothing on a subscription after unsubscribe was answered", async () => {
  const client = await connect();
  const stream = "unsubscribed";
  const { subscription } = await client.call("subscribe", { stream });
  const { subscription: kept } = await client.call("subscribe", { stream });

  await client.call("unsubscribe", { subscription });
  await client.call("publish", { stream, data: 1 });
  await client.untilMessages(1, kept);

  expect(client.sequences(subscription)).toEqual([]);
});

it.each([
  ["a stream", {}],
  ["a consumer", { consumer: "c" }],
])("sends nothing on a subscription of %s that is made and ended in one batch", async (of, share) => {
  const client = await connect();
  const stream = `unsubscribed-in-batch-${of.length}`;
  await client.call("createConsumer", { stream, consumer: "c" });
  await client.call("publish", { stream, data: 1 });

  // Between the two the stream has the time to push.
  const answers = await client.exchange(
    JSON.stringify([
      request(1, "subscribe", { stream, ...share }),
      ...Array.from({ length: 8 }, (_, index) => request(2 + index, "getStreamInfo", { stream })),
      request(10, "unsubscribe", { subscription: 1 }),
    ]),
  );
  const { subscription } = await client.call("subscribe", { stream, ...share });
  await client.untilMessages(1, subscription);

  expect(answers).toMatchObject([
    { result: { subscription: 1 } },
    ...Array.from({ length: 9 }, () => ({ result: {} })),
  ]);
  expect(client.sequences(1)).toEqual([]);
});

it.each([
  ["subscribe", { stream: "by-http" }],
  ["unsubscribe", { subscription: 1 }],
  ["ack", { subscription: 1, through: 1 }],
])("needs a socket: %s", async (method, params) => {
  const answer = await postCall(method, params);

  expect(answer).toMatchObject({ error: { code: ErrorCode.NeedsSocket } });
});

function request(id: number, method: string, params: object): object {
  return { jsonrpc: "2.0", id, method, params };
}
