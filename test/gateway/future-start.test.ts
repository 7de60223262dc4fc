import { env } from "cloudflare:workers";
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SUBSCRIPTION_DEFAULTS } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { faultGateway } from "../harness/faults.ts";
import { evict, EVICTIONS, gatewayOf } from "../harness/objects.ts";

/** Less than a lease: whoever follows is still pushed to when it has come. */
const AHEAD_MS = 600_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function publish(client: TestClient, stream: string, subjects: readonly string[]): Promise<void> {
  await client.call("publishBatch", { stream, messages: subjects.map((subject) => ({ data: subject, subject })) });
}

const asleep: typeof EVICTIONS = [["nothing", async () => undefined], ...EVICTIONS];

describe("subscribe", () => {
  it.each(asleep)(
    "sends nothing published before a time to come, with %s evicted at every step",
    async (name, step) => {
      const stream = `future-follow-${name.replaceAll(" ", "-")}`;
      const [client, publisher] = [await connect(), await connect()];
      await publish(publisher, stream, ["a", "a"]);
      const time = Date.now() + AHEAD_MS;

      const { subscription, nextSequence } = await client.call("subscribe", { stream, from: { time }, maxInFlight: 2 });
      await step(stream, client);
      await publish(publisher, stream, ["early", "early", "early"]);
      await step(stream, client);
      vi.setSystemTime(time - 1);
      await publish(publisher, stream, ["early"]);
      await step(stream, client);
      vi.setSystemTime(time);
      await publish(publisher, stream, ["due", "due", "due"]);
      await client.untilMessages(2);
      await step(stream, client);
      await client.call("ack", { subscription, through: 8 });
      await client.untilMessages(3);

      expect(nextSequence).toBe(3);
      expect(
        client.of("messages").map(({ previous, messages }) => [previous, messages.map((one) => one.data)]),
      ).toEqual([
        [0, ["due", "due"]],
        [8, ["due"]],
      ]);
      expect(client.of("gap")).toEqual([]);
    },
  );

  it("passes over what came early when it reads pages that hold both", async () => {
    const stream = "future-replay";
    const [client, publisher] = [await connect(), await connect()];
    const time = Date.now() + AHEAD_MS;
    await client.call("subscribe", { stream, from: { time }, maxInFlight: 4, filter: "a.*" });
    let isLost = true;
    await faultGateway("deliver", (original, ...push) => (isLost ? true : original(...push)));
    await publish(publisher, stream, ["a.1", "b.2", "a.3", "a.4"]);
    await publisher.call("deleteMessages", { stream, sequences: [2, 3] });
    vi.setSystemTime(time);
    await publish(publisher, stream, ["b.5", "a.6", "a.7"]);

    // This one shows what was lost before it.
    isLost = false;
    await publish(publisher, stream, ["a.8"]);
    await client.untilMessages(3);
    const gateway = await gatewayOf(client);
    await evict(gateway);
    // There is room for one more: what came early is not taken for unacked, nor sent when sending goes back.
    await publish(publisher, stream, ["a.9"]);
    await client.untilMessages(4);
    vi.setSystemTime(Date.now() + SUBSCRIPTION_DEFAULTS.ackWaitMs);
    await runDurableObjectAlarm(gateway);

    expect(await client.untilMessages(8)).toEqual([6, 7, 8, 9, 6, 7, 8, 9]);
    expect(client.of("gap")).toEqual([]);
  });

  it("goes on at a sequence, and not before a time", async () => {
    const stream = "future-resume";
    const [client, publisher] = [await connect(), await connect()];
    await publish(publisher, stream, ["a", "a"]);
    const time = Date.now() + AHEAD_MS;
    const ahead = await client.call("subscribe", { stream, from: { sequence: 1, time } });
    vi.setSystemTime(time);
    await publish(publisher, stream, ["due", "due"]);
    const behind = await client.call("subscribe", { stream, from: { sequence: 1, time } });
    const later = await client.call("subscribe", { stream, from: { sequence: 4, time } });
    await client.untilMessages(5);

    const subscribed = [ahead, behind, later];
    expect(subscribed.map(({ nextSequence }) => nextSequence)).toEqual([3, 3, 4]);
    expect(subscribed.map(({ subscription }) => client.sequences(subscription))).toEqual([[3, 4], [3, 4], [4]]);
  });
});

const STARTS: [name: string, start: (client: TestClient, stream: string, time: number) => Promise<unknown>][] = [
  ["createConsumer", (client, stream, time) => client.call("createConsumer", consumer(stream, { from: { time } }))],
  [
    "seekConsumer",
    async (client, stream, time) => {
      await client.call("createConsumer", consumer(stream));
      await client.call("fetchMessages", { stream, consumer: "c" });
      await client.call("seekConsumer", { stream, consumer: "c", from: { time } });
    },
  ],
];

function consumer(stream: string, config: object = {}): MethodParams<"createConsumer"> {
  return { stream, consumer: "c", ...config };
}

describe.each(STARTS)("%s", (method, start) => {
  it.each(asleep)(
    "delivers nothing published before a time to come, with %s evicted at every step",
    async (name, step) => {
      const stream = `future-${method}-${name.replaceAll(" ", "-")}`;
      const [client, publisher] = [await connect(), await connect()];
      const pull = async () => {
        const { messages } = await client.call("fetchMessages", { stream, consumer: "c" });
        return messages.map(({ sequence }) => sequence);
      };
      await publish(publisher, stream, ["a"]);
      const time = Date.now() + AHEAD_MS;

      await start(client, stream, time);
      await step(stream, client);
      await publish(publisher, stream, ["early", "early"]);
      await step(stream, client);
      const early = await client.call("getConsumer", { stream, consumer: "c" });
      const pulled = await pull();
      const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
      await step(stream, client);
      vi.setSystemTime(time - 1);
      await publish(publisher, stream, ["early"]);
      await step(stream, client);
      vi.setSystemTime(time);
      await publish(publisher, stream, ["due", "due"]);
      await client.untilMessages(2);
      await step(stream, client);
      await client.call("ack", { subscription, through: 6 });
      await publish(publisher, stream, ["due"]);
      await client.untilMessages(3);

      expect(early).toMatchObject({ pending: 0, inFlight: 0, ackFloor: 3 });
      expect(pulled).toEqual([]);
      expect(client.sequences(subscription)).toEqual([5, 6, 7]);
    },
  );
});

describe("a consumer that starts at a time to come", () => {
  it("counts what came since then only, as pending and as lost", async () => {
    const stream = "future-counts";
    const client = await connect();
    const time = Date.now() + AHEAD_MS;
    const standing = async () => {
      const { consumers } = await client.call("listConsumers", { stream });
      return consumers.map(({ pending, ackFloor, lost }) => [pending, ackFloor, lost]);
    };
    await client.call("createConsumer", { stream, consumer: "all", from: { time } });
    await client.call("createConsumer", { stream, consumer: "some", from: { time }, filter: "a.*" });

    await publish(client, stream, ["a.1", "b.2", "a.3"]);
    const before = await standing();
    await client.call("deleteMessages", { stream, sequences: [1] });
    await client.call("deleteMessages", { stream, through: 2 });
    const trimmed = await standing();
    vi.setSystemTime(time);
    await publish(client, stream, ["a.4", "b.5", "a.6"]);
    const due = await standing();
    await client.call("deleteMessages", { stream, through: 4 });
    const lost = await standing();

    expect(before).toEqual([
      [0, 3, undefined],
      [0, 3, undefined],
    ]);
    expect(trimmed).toEqual(before);
    expect(due).toEqual([
      [3, 3, undefined],
      [2, 3, undefined],
    ]);
    expect(lost).toEqual([
      [2, 4, { from: 4, to: 4, total: 1 }],
      [1, 4, { from: 4, to: 4, total: 1 }],
    ]);
  });

  it("loses nothing that came early to a bound on the stream, and what came since then it tells", async () => {
    const stream = "future-bound";
    const client = await connect();
    const time = Date.now() + AHEAD_MS;
    await client.call("configureStream", { stream, maxMessages: 2 });
    await client.call("createConsumer", { stream, consumer: "c", from: { time } });

    await publish(client, stream, ["a", "a", "a"]);
    const early = await client.call("getConsumer", { stream, consumer: "c" });
    vi.setSystemTime(time);
    await publish(client, stream, ["a", "a", "a"]);
    const due = await client.call("getConsumer", { stream, consumer: "c" });

    expect([early.pending, early.lost]).toEqual([0, undefined]);
    expect([due.pending, due.lost]).toEqual([2, { from: 4, to: 4, total: 1 }]);
  });

  it("loses nothing that came early where it could not be served in between", async () => {
    const stream = "future-unserved";
    const client = await connect();
    const execute = async (sql: string) =>
      runInDurableObject(env.STREAM.getByName(stream), (_stream, { storage }) => void storage.sql.exec(sql));
    const time = Date.now() + AHEAD_MS;
    await client.call("createConsumer", { stream, consumer: "c", from: { time } });
    await client.call("createConsumer", { stream, consumer: "other" });
    await client.call("subscribe", { stream, consumer: "other" });
    await execute(
      "CREATE TRIGGER fault BEFORE UPDATE ON consumers WHEN NEW.name = 'other' BEGIN SELECT RAISE(ABORT, 'injected'); END",
    );

    await publish(client, stream, ["early", "early"]);
    await execute("DROP TRIGGER fault");
    await client.call("deleteMessages", { stream, sequences: [2] });

    expect(await client.call("getConsumer", { stream, consumer: "c" })).not.toHaveProperty("lost");
  });

  it("starts there after a crash too, although the clock went back", async () => {
    const stream = "future-crash";
    const client = await connect();
    await client.call("publish", { stream, data: 1 });
    // Not to come when it is asked for, but nothing was published since.
    const time = Date.now() + 1;
    vi.setSystemTime(time);
    await client.call("createConsumer", { stream, consumer: "c", from: { time } });
    await abortAllDurableObjects();

    vi.setSystemTime(time - 1);
    const next = await connect();
    await next.call("publish", { stream, data: 2 });
    const early = await next.call("fetchMessages", { stream, consumer: "c" });
    vi.setSystemTime(time);
    await next.call("publish", { stream, data: 3 });
    await evict(env.STREAM.getByName(stream));
    const due = await next.call("fetchMessages", { stream, consumer: "c" });

    expect(early.messages).toEqual([]);
    expect(due.messages.map(({ sequence }) => sequence)).toEqual([3]);
  });
});

describe("getMessages", () => {
  it("reads nothing from a time to come, and goes on behind the last message", async () => {
    const stream = "future-read";
    const client = await connect();
    await publish(client, stream, ["a", "a"]);
    const time = Date.now() + AHEAD_MS;

    const none = await client.call("getMessages", { stream, from: { time } });
    const filtered = await client.call("getMessages", { stream, from: { time }, filter: "a" });
    await publish(client, stream, ["early"]);
    const { nextSequence } = none;
    const early = await client.call("getMessages", { stream, from: { sequence: nextSequence, time } });
    vi.setSystemTime(time);
    await publish(client, stream, ["due"]);
    const due = await client.call("getMessages", { stream, from: { sequence: nextSequence, time } });

    expect([none, filtered]).toMatchObject([none, filtered].map(() => ({ messages: [], nextSequence: 3 })));
    expect(early).toMatchObject({ messages: [], nextSequence: 4 });
    expect(due).toMatchObject({ messages: [{ sequence: 4 }], nextSequence: 5 });
  });
});
