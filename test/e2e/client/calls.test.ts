import { expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { StreamEvent } from "../../../rpc/client.ts";

import { sharingServer } from "../server/fixtures.ts";

const test = sharingServer().extend<{ client: DurableStream }>({
  client: async ({ server }, use) => {
    await using client = new DurableStream({ url: server.url, token: server.apiKey });
    await use(client);
  },
});

test("calls every kind of method by its name and by call()", async ({ client }) => {
  const info = await client.getServerInfo();
  const first = await client.publish({ stream: "calls", data: { n: 1 } });
  const second = await client.call("publishBatch", { stream: "calls", messages: [{ data: 2 }, { data: 3 }] });
  const { messages } = await client.getMessages({ stream: "calls" });
  const document = await client["rpc.discover"]();

  expect(info.connection).toBeDefined();
  expect([first.sequence, second.lastSequence]).toEqual([1, 3]);
  expect(messages.map((message) => message.data)).toEqual([{ n: 1 }, 2, 3]);
  expect(document.openrpc).toMatch(/^1\./);
  await expect(client.getStreamInfo({ stream: "nothing" })).rejects.toMatchObject({ code: -32003, name: "NotFound" });
});

test("says of each publish to a stream that is full that it is, and stores what there is room for", async ({
  client,
}) => {
  const stream = "full";
  await client.configureStream({ stream, maxMessages: 100, discard: "new" });

  const outcomes = await Promise.allSettled(
    Array.from({ length: 400 }, (_, data) => client.publish({ stream, data }).then(({ sequence }) => sequence)),
  );

  const reason = expect.objectContaining({ name: "LimitReached" });
  expect(outcomes.slice(0, 100).map((one) => one.status === "fulfilled" && one.value)).toEqual(
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
  expect(outcomes.slice(100)).toEqual(outcomes.slice(100).map(() => ({ status: "rejected", reason })));
});

test("follows a stream by for await and by a handler", async ({ client }) => {
  const publishes = Array.from({ length: 500 }, (_, data) => client.publish({ stream: "follow", data }));
  const handled: StreamEvent[] = [];
  const subscription = client.subscribe({ stream: "follow" }, (event) => void handled.push(event));

  const read: number[] = [];
  for await (const event of client.subscribe({ stream: "follow", maxInFlight: 10 })) {
    if (event.type === "message") {
      read.push(event.sequence);
    }
    if (read.length === 500) {
      break;
    }
  }
  await Promise.all(publishes);
  const { sequence } = await client.publish({ stream: "follow", data: "last" });
  await expect.poll(() => handled.length).toBe(501);
  subscription.close();
  await subscription.ended;

  expect(sequence).toBe(501);
  expect(read).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  expect(handled.every((event, index) => event.type === "message" && event.sequence === index + 1)).toBe(true);
});

test("tells with every message which epoch its sequence is of, for the calls that take one", async ({ client }) => {
  const stream = "epochs";
  const { epoch } = await client.publish({ stream, data: "old" });
  await client.createConsumer({ stream, consumer: "c" });

  const [event] = await take(client.subscribe({ stream }), 1);
  const [job] = await take(client.subscribe({ stream, consumer: "c" }), 1);
  await client.deleteStream({ stream, epoch });
  await client.publish({ stream, data: "new" });

  expect(event).toMatchObject({ type: "message", sequence: 1, epoch });
  expect(job).toMatchObject({ type: "message", sequence: 1, epoch });
  await expect(client.checkpoint({ stream, state: "old", through: 1, epoch })).rejects.toMatchObject({
    name: "EpochChanged",
  });
  expect((await client.getMessages({ stream })).messages).toMatchObject([{ data: "new" }]);
});

/** The first events of a subscription, which ends then. */
async function take<Event>(events: AsyncIterable<Event>, count: number): Promise<Event[]> {
  const taken: Event[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) {
      break;
    }
  }
  return taken;
}
