import { env } from "cloudflare:workers";
import { abortAllDurableObjects } from "cloudflare:test";
import { expect, it } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import type { StreamEvent, Subscription } from "../../rpc/client.ts";
import { WorkerSocket } from "../harness/worker-socket.ts";

/** A client that connects only while its gate is open. */
function connect() {
  const gate = { open: Promise.resolve() };
  const client = new DurableStream({
    url: "https://stream.test",
    token: async () => {
      await gate.open;
      return env.API_KEY;
    },
    WebSocket: WorkerSocket,
    reconnect: { leastMs: 1, mostMs: 20 },
    ping: { everyMs: 100, deadAfterMs: 1_000 },
    connectTimeoutMs: 60_000,
  });
  return { client, gate };
}

/** The next so many events, in short. */
async function take(subscription: Subscription, count: number): Promise<unknown[]> {
  const events: unknown[] = [];
  while (events.length < count) {
    const { value } = await subscription.next();
    events.push(value === undefined ? "over" : short(value));
  }
  return events;
}

function short(event: StreamEvent): unknown {
  return event.type === "message" ? event.data : event.type;
}

const MOMENTS = ["while it is connected", "while it is not connected"] as const;

it.each(MOMENTS.flatMap((moment) => [true, false].map((isMade) => [moment, isMade] as const)))(
  "follows the stream that is made again %s, before it looks: %s",
  async (moment, isMadeBefore) => {
    const stream = `epochs-${moment.replaceAll(" ", "-")}-${isMadeBefore}`;
    const follower = connect();
    const { client: admin } = connect();
    const subscription = follower.client.subscribe({ stream });
    await admin.publish({ stream, data: "old" });
    expect(await take(subscription, 1)).toEqual(["old"]);
    const reopened = Promise.withResolvers<void>();
    if (moment === "while it is not connected") {
      follower.gate.open = reopened.promise;
      await abortAllDurableObjects();
      // A read is repeated until the other client is back.
      await admin.getStreamInfo({ stream });
    }

    const deleted = admin.deleteStream({ stream });
    // Behind the deletion on its socket, so before whatever the follower does when it is told.
    const published = isMadeBefore ? admin.publish({ stream, data: "new" }) : undefined;
    await Promise.all([deleted, published]);
    reopened.resolve();

    expect(await take(subscription, 1)).toEqual(["epochChanged"]);
    await (published ?? admin.publish({ stream, data: "new" }));
    await admin.publish({ stream, data: "newer" });
    expect(await take(subscription, 2)).toEqual(["new", "newer"]);
    await Promise.all([admin.close(), follower.client.close()]);
  },
);

it("comes to the last of many epochs, and to every message of it", async () => {
  const stream = "epochs-many";
  const { client: admin } = connect();
  const { client } = connect();
  const subscription = client.subscribe({ stream });
  await subscription.ready;

  for (let life = 1; life <= 20; life += 1) {
    await admin.publish({ stream, data: `first of ${life}` });
    await admin.publish({ stream, data: `second of ${life}` });
    await admin.deleteStream({ stream });
  }
  await admin.publish({ stream, data: "first of the last" });
  await admin.publish({ stream, data: "second of the last" });

  const events: unknown[] = [];
  while (events.at(-1) !== "second of the last") {
    events.push(...(await take(subscription, 1)));
  }
  expect(events.slice(-3)).toEqual(["epochChanged", "first of the last", "second of the last"]);
  // Of an earlier epoch it may have come too late, but it had what it had in order.
  events.forEach((event, index) => {
    const life = /^second of (.*)$/.exec(String(event))?.[1];
    expect(life === undefined || events[index - 1] === `first of ${life}`).toBe(true);
  });
  await Promise.all([admin.close(), client.close()]);
});

it("ends with its epoch when it is told to, and makes no stream", async () => {
  const stream = "epochs-ending";
  const follower = connect();
  const { client: admin } = connect();
  const { epoch } = await admin.publish({ stream, data: "old" });
  const follow = () => follower.client.subscribe({ stream, epoch }, { endsWithEpoch: true });
  const live = follow();
  expect(await take(live, 1)).toEqual(["old"]);

  await admin.deleteStream({ stream });
  await expect(live.next()).rejects.toMatchObject({ name: "NotFound", data: { what: "stream" } });
  await expect(follow().next()).rejects.toMatchObject({ name: "NotFound" });
  await expect(admin.getStreamInfo({ stream })).rejects.toMatchObject({ name: "NotFound" });
  await admin.publish({ stream, data: "new" });

  await expect(follow().next()).rejects.toMatchObject({ name: "EpochChanged" });
  await Promise.all([admin.close(), follower.client.close()]);
});

it("ends a consumer's subscription with its stream, connected or not", async () => {
  const follower = connect();
  const { client: admin } = connect();
  const gone = { name: "NotFound", data: { what: "consumer" } };
  const at = { stream: "epochs-consumer", consumer: "workers" };
  await admin.createConsumer(at);
  const live = follower.client.subscribe(at);
  await live.ready;
  await admin.deleteStream({ stream: at.stream });
  await expect(live.next()).rejects.toMatchObject(gone);

  await admin.createConsumer(at);
  const away = follower.client.subscribe(at);
  await away.ready;
  const reopened = Promise.withResolvers<void>();
  follower.gate.open = reopened.promise;
  await abortAllDurableObjects();
  await admin.getConsumer(at);
  await admin.deleteStream({ stream: at.stream });
  await admin.createConsumer(at);
  await admin.publish({ stream: at.stream, data: "another job" });
  reopened.resolve();

  await expect(away.next()).rejects.toMatchObject({ name: "EpochChanged" });
  await expect(follower.client.subscribe(at).next()).resolves.toMatchObject({ value: { data: "another job" } });
  await Promise.all([admin.close(), follower.client.close()]);
});
