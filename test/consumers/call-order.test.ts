import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { range } from "../harness/objects.ts";

const CONSUMERS = 12;

it("begins changes of consumers and of the log in the order in which a socket sends them", async () => {
  const client = await connect();
  const stream = "call-order";
  const names = range(1, CONSUMERS).map((index) => `c${index}`);
  await client.call("publishBatch", { stream, messages: range(1, 50).map((data) => ({ data })) });
  await Promise.all(names.map((consumer) => client.call("createConsumer", { stream, consumer, from: "first" })));

  const made = names.flatMap((consumer) => [
    client.request("deleteConsumer", { stream, consumer }),
    client.request("createConsumer", { stream, consumer, from: "first" }),
  ]);
  const fetched = names.map((consumer) => {
    void client.request("seekConsumer", { stream, consumer, from: { sequence: 31 } });
    return client.call("fetchMessages", { stream, consumer, limit: 1 });
  });
  const deleted = range(1, 20).map((sequence) => {
    void client.request("deleteMessages", { stream, sequences: [sequence] });
    return client.call("getStreamInfo", { stream });
  });

  expect((await Promise.all(made)).map(({ error }) => error)).toEqual(made.map(() => undefined));
  const firsts = (await Promise.all(fetched)).map(({ messages }) => messages[0]?.sequence);
  expect(firsts).toEqual(names.map(() => 31));
  expect((await Promise.all(deleted)).map(({ messages }) => messages)).toEqual(range(1, 20).map((count) => 50 - count));
  const { consumers } = await client.call("listConsumers", { stream });
  expect(consumers).toHaveLength(CONSUMERS);
});
