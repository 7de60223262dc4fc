import { expect, it, vi } from "vitest";

import { connect } from "../../harness/client.ts";
import { announcement, gatewayOf } from "../../harness/objects.ts";

it("starts where it is asked to: first, new, a sequence, a time, the last few", async () => {
  const stream = "starts";
  const client = await connect();
  const times: number[] = [];
  for (let count = 0; count < 3; count += 1) {
    // Publish times are milliseconds: the next one must differ for a time to tell them apart.
    const { publishedAt } = await client.call("publish", { stream, data: count });
    times.push(publishedAt);
    await vi.waitUntil(() => Date.now() > publishedAt, { interval: 1 });
  }

  const first = await client.call("subscribe", { stream });
  const fromNew = await client.call("subscribe", { stream, from: "new" });
  const sequence = await client.call("subscribe", { stream, from: { sequence: 2 } });
  const time = await client.call("subscribe", { stream, from: { time: times[2] ?? 0 } });
  const last = await client.call("subscribe", { stream, from: { last: 2 } });
  const next = await client.call("subscribe", { stream, from: { sequence: 4 } });
  await client.call("publishBatch", { stream, messages: [{ data: 3 }, { data: 4 }] });
  await client.untilMessages(2, fromNew.subscription);
  await client.untilMessages(2, next.subscription);

  expect([first, fromNew, sequence, time, last, next].map((start) => start.nextSequence)).toEqual([1, 4, 2, 3, 2, 4]);
  expect(client.sequences(first.subscription)).toEqual([1, 2, 3, 4, 5]);
  expect(client.sequences(fromNew.subscription)).toEqual([4, 5]);
  expect(client.sequences(sequence.subscription)).toEqual([2, 3, 4, 5]);
  expect(client.sequences(time.subscription)).toEqual([3, 4, 5]);
  expect(client.sequences(last.subscription)).toEqual([2, 3, 4, 5]);
  expect(client.sequences(next.subscription)).toEqual([4, 5]);
});

it("answers subscribe before its first message, also in a batch", async () => {
  const stream = "answer-first";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });

  const before = client.frames.length;
  const subscribe = { jsonrpc: "2.0", method: "subscribe", params: { stream, from: "new" } };
  const publish = { jsonrpc: "2.0", method: "publish", params: { stream, data: 2 } };
  client.send(
    JSON.stringify([
      { ...subscribe, id: "a" },
      { ...publish, id: "b" },
      { ...subscribe, id: "c" },
    ]),
  );
  // Pushed to the first subscription while the third call is still to be answered.
  await client.untilMessages(1);

  const frames = client.frames.slice(before);
  expect(frames[0]).toMatch(/^\[\{"jsonrpc":"2\.0","id":"a"/);
  expect(frames.slice(1).every((frame) => frame.includes('"method":"messages"'))).toBe(true);
});

it("sends only what matches a filter, with an unbroken chain of previous", async () => {
  const stream = "filtered";
  const client = await connect();
  const subjects = ["a.x", "b.x", "a.y", "a.x.z", "b.y"];
  const publish = () =>
    client.call("publishBatch", { stream, messages: subjects.map((subject) => ({ data: subject, subject })) });
  await publish();

  const tokens = await client.call("subscribe", { stream, filter: "a.*" });
  const rest = await client.call("subscribe", { stream, filter: "a.>" });
  await client.untilMessages(2, tokens.subscription);
  await client.untilMessages(3, rest.subscription);
  await publish();
  await client.untilMessages(4, tokens.subscription);
  await client.untilMessages(6, rest.subscription);

  expect(client.sequences(tokens.subscription)).toEqual([1, 3, 6, 8]);
  expect(client.sequences(rest.subscription)).toEqual([1, 3, 4, 6, 8, 9]);
  let seen = 0;
  for (const { previous, messages } of client.of("messages", rest.subscription)) {
    expect(previous).toBe(seen);
    seen = messages.at(-1)?.sequence ?? 0;
  }
});

it("bounds a filtered subscription by the messages it was sent, not by those it passed over", async () => {
  const stream = "filtered-window";
  const client = await connect();
  const messages = Array.from({ length: 100 }, (_, index) => ({
    data: index,
    subject: index % 10 === 9 ? "hit" : "miss",
  }));
  await client.call("publishBatch", { stream, messages });

  const { subscription } = await client.call("subscribe", { stream, filter: "hit", maxInFlight: 3 });
  await client.untilMessages(3);
  const held = client.sequences();
  await client.call("ack", { subscription, through: 20 });
  await client.untilMessages(5);
  await client.call("ack", { subscription, through: 50 });
  await client.untilMessages(8);

  expect(held).toEqual([10, 20, 30]);
  expect(client.sequences()).toEqual([10, 20, 30, 40, 50, 60, 70, 80]);
});

it("says what a start below the first message skips", async () => {
  const stream = "skips";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: [1, 2, 3, 4, 5].map((data) => ({ data })) });
  await client.call("deleteMessages", { stream, through: 3 });

  const below = await client.call("subscribe", { stream, from: { sequence: 2 } });
  const first = await client.call("subscribe", { stream });
  await client.untilMessages(4);

  expect([below.nextSequence, below.skipped]).toEqual([4, { from: 2, to: 3 }]);
  expect([first.nextSequence, first.skipped]).toEqual([4, undefined]);
  expect(client.sequences(below.subscription)).toEqual([4, 5]);
});

it("tells a follower that is behind what was trimmed and what was deleted before it came", async () => {
  const stream = "gaps";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: Array.from({ length: 12 }, (_, data) => ({ data })) });
  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 2 });
  await client.untilMessages(2);

  await client.call("deleteMessages", { stream, through: 4 });
  await client.call("deleteMessages", { stream, sequences: [6, 7, 9, 12] });
  for (const [count, through] of [
    [4, 2],
    [6, 8],
    [7, 11],
  ] as const) {
    await client.call("ack", { subscription, through });
    await client.untilMessages(Math.min(count, 6));
  }
  await client.until(() => client.of("gap").find(({ to }) => to === 12), "the last gap");

  expect(client.sequences()).toEqual([1, 2, 5, 8, 10, 11]);
  expect(client.of("gap")[0]).toEqual({ subscription, from: 3, to: 4, reason: "trimmed" });
  const told = client
    .of("gap")
    .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, offset) => from + offset));
  expect(told).toEqual([3, 4, 6, 7, 9, 12]);
});

it("refuses a subscriber that knows another epoch of the stream", async () => {
  const stream = "epochs";
  const client = await connect();
  const old = await client.call("publish", { stream, data: 1 });
  await client.call("deleteStream", { stream });
  const renewed = await client.call("publish", { stream, data: 2 });

  const refused = await client.callError("subscribe", { stream, epoch: old.epoch, from: { sequence: 2 } });
  const accepted = await client.call("subscribe", { stream, epoch: renewed.epoch });

  expect(renewed.sequence).toBe(1);
  expect(renewed.epoch).not.toBe(old.epoch);
  expect([refused.code, refused.data]).toEqual([-32_010, { epoch: renewed.epoch, reason: "deleted" }]);
  expect(accepted.nextSequence).toBe(1);
});

it("makes no new epoch of a stream for a subscriber that knows one", async () => {
  const stream = "gone";
  const client = await connect();
  const { epoch } = await client.call("publish", { stream, data: 1 });
  await client.call("deleteStream", { stream });

  const refused = await client.callError("subscribe", { stream, epoch });

  expect([refused.code, refused.data]).toEqual([-32_003, { what: "stream" }]);
  expect((await client.callError("getStreamInfo", { stream })).code).toBe(-32_003);
});

it("is not ended by a push that was held up since an earlier epoch of the stream", async () => {
  const stream = "held-up";
  const client = await connect();
  const { epoch } = await client.call("publish", { stream, data: 1 });
  await client.call("deleteStream", { stream });
  await client.call("publish", { stream, data: 2 });
  await client.call("subscribe", { stream });
  const gateway = await gatewayOf(client);

  await gateway.deliver(announcement(stream, epoch, 1));
  await client.call("publish", { stream, data: 3 });
  await client.untilMessages(2);

  expect(client.sequences()).toEqual([1, 2]);
  expect(client.of("subscriptionClosed")).toEqual([]);
});

it("closes the subscriptions of a stream that is deleted", async () => {
  const stream = "deleted";
  const client = await connect();
  const { subscription } = await client.call("subscribe", { stream });

  await client.call("deleteStream", { stream });
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  await client.call("publish", { stream, data: 1 });

  expect(closed).toEqual({ subscription, reason: "streamDeleted" });
  expect(client.sequences()).toEqual([]);
  expect((await client.callError("ack", { subscription, through: 1 })).code).toBe(-32_003);
});

it("sends nothing after unsubscribe is answered", async () => {
  const stream = "unsubscribed";
  const client = await connect();
  const watcher = await connect();
  const { subscription } = await client.call("subscribe", { stream });
  await watcher.call("subscribe", { stream });
  await client.call("publish", { stream, data: 1 });
  await client.untilMessages(1);

  await client.call("unsubscribe", { subscription });
  await watcher.call("publish", { stream, data: 2 });
  await watcher.untilMessages(2);
  await client.call("getServerInfo", {});

  expect(client.sequences()).toEqual([1]);
  expect((await client.callError("unsubscribe", { subscription })).code).toBe(-32_003);
});

it("replays a log of many pages in order", async () => {
  const stream = "replays";
  const client = await connect();
  for (let batch = 0; batch < 10; batch += 1) {
    const messages = Array.from({ length: 500 }, (_, index) => ({ data: { batch, index } }));
    await client.call("publishBatch", { stream, messages });
  }

  await client.call("subscribe", { stream, maxInFlight: 10_000 });
  const sequences = await client.untilMessages(5000);

  expect(sequences).toEqual(Array.from({ length: 5000 }, (_, index) => index + 1));
});

it("uses the stream of the path as the default of every method that takes one", async () => {
  const client = await connect("/stream/by-path");
  // The contract's types want a stream; on this path it may be left out.
  const published = await client.request("publish", { data: 1 });
  await client.request("subscribe", {});
  await client.untilMessages(1);
  const other = await client.call("publish", { stream: "not-by-path", data: 1 });

  expect(published.result).toMatchObject({ stream: "by-path", sequence: 1 });
  expect(client.of("messages")[0]?.stream).toBe("by-path");
  expect(other.stream).toBe("not-by-path");
});

it("tells the end of a subscription after the answer that begins it", async () => {
  const stream = "ends-unanswered";
  const client = await connect();
  const other = await connect();
  await client.call("publish", { stream, data: 1 });

  const before = client.frames.length;
  const calls = [
    { jsonrpc: "2.0", id: "subscribe", method: "subscribe", params: { stream } },
    { jsonrpc: "2.0", id: "delete", method: "deleteStream", params: { stream } },
    { jsonrpc: "2.0", id: "subscribe again", method: "subscribe", params: { stream } },
  ];
  client.send(JSON.stringify(calls));
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  await other.call("publish", { stream, data: "another epoch" });
  await client.untilMessages(1);

  expect(client.frames[before]).toMatch(/^\[\{"jsonrpc":"2\.0","id":"subscribe"/);
  expect(closed).toEqual({ subscription: 1, reason: "streamDeleted" });
  expect(client.of("messages").map((params) => [params.subscription, params.messages[0]?.data])).toEqual([
    [2, "another epoch"],
  ]);
});
