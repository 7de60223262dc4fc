import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { Message } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, range } from "../harness/objects.ts";

import { postCall } from "../harness/http.ts";

/** Every method that starts at a position; the first three may be called over HTTP too. */
const METHODS = ["getMessages", "createConsumer", "seekConsumer", "subscribe"] as const;

/** Publishes five messages, and makes a consumer to be sought. */
async function fill(client: TestClient, stream: string): Promise<string> {
  const messages = range(1, 5).map((data) => ({ data }));
  const { epoch } = await client.call("publishBatch", { stream, messages });
  await client.call("createConsumer", { stream, consumer: "sought" });
  return epoch;
}

const paramsOf = (method: string, stream: string, from: object) => ({
  stream,
  from,
  ...(method === "createConsumer" && { consumer: "made" }),
  ...(method === "seekConsumer" && { consumer: "sought" }),
});

describe.each(METHODS)("%s", (method) => {
  it("refuses a position that the stream does not have, and takes the one past its last message", async () => {
    const stream = `beyond-${method}`;
    const client = await connect();
    const epoch = await fill(client, stream);

    const beyond = await client.callError(method, paramsOf(method, stream, { sequence: 7 }));
    const next = await client.request(method, paramsOf(method, stream, { sequence: 6 }));

    expect([beyond.code, beyond.data]).toEqual([ErrorCode.Conflict, { lastSequence: 5, epoch }]);
    expect(next.error).toBeUndefined();
  });

  it("says of another epoch that it is over, and nothing of its positions", async () => {
    const stream = `other-epoch-${method}`;
    const client = await connect();
    const epoch = await fill(client, stream);

    const params = { ...paramsOf(method, stream, { sequence: 900 }), epoch: "another" };
    const refused = await client.callError(method, params);

    expect([refused.code, refused.data]).toEqual([ErrorCode.EpochChanged, { epoch, reason: "deleted" }]);
  });

  it("refuses a position behind another message than the caller has", async () => {
    const stream = `witness-${method}`;
    const client = await connect();
    const epoch = await fill(client, stream);
    const { messages } = await client.call("getMessages", { stream });
    const previousPublishedAt = publishedAt(messages, 3);

    const wrong = { sequence: 4, previousPublishedAt: previousPublishedAt - 1 };
    const refused = await client.callError(method, paramsOf(method, stream, wrong));
    const right = await client.request(method, paramsOf(method, stream, { sequence: 4, previousPublishedAt }));

    expect([refused.code, refused.data]).toEqual([ErrorCode.Conflict, { previousPublishedAt, epoch }]);
    expect(right.error).toBeUndefined();
  });

  it("takes a position behind a message of which nothing is known any more", async () => {
    const stream = `trimmed-${method}`;
    const client = await connect();
    await fill(client, stream);
    await client.call("publish", { stream, data: 6 });
    await client.call("deleteMessages", { stream, through: 5 });

    const from = { sequence: 3, previousPublishedAt: 1 };
    const { result } = await client.request(method, paramsOf(method, stream, from));

    expect(result).toMatchObject({ skipped: { from: 3, to: 5 } });
  });
});

it.each(["getMessages", "createConsumer", "seekConsumer"])("refuses the same of %s over HTTP", async (method) => {
  const stream = `http-${method}`;
  const client = await connect();
  const epoch = await fill(client, stream);

  const refused = await postCall(method, paramsOf(method, stream, { sequence: 7 }));

  expect(refused).toMatchObject({ error: { code: ErrorCode.Conflict, data: { lastSequence: 5, epoch } } });
});

it("takes the same call of createConsumer again, wherever its stream is by then", async () => {
  const stream = "made-again";
  const client = await connect();
  await fill(client, stream);
  const { messages } = await client.call("getMessages", { stream });
  const from = { sequence: 4, previousPublishedAt: publishedAt(messages, 3) };
  const made = await client.call("createConsumer", { stream, consumer: "c", from });
  await client.call("deleteMessages", { stream, through: 5 });

  const again = await client.call("createConsumer", { stream, consumer: "c", from });

  expect(again.config).toEqual(made.config);
});

it.each(["subscribe", "createConsumer"])("makes no stream for a %s that it refuses", async (method) => {
  const stream = `not-made-by-${method}`;
  const client = await connect();

  const refused = await client.callError(method, paramsOf(method, stream, { sequence: 2 }));
  const info = await client.callError("getStreamInfo", { stream });

  expect([refused.code, refused.data]).toEqual([ErrorCode.Conflict, { lastSequence: 0 }]);
  expect(info.code).toBe(ErrorCode.NotFound);
});

it("tells a subscriber of a stream by which message its position is known again", async () => {
  const stream = "witness-told";
  const client = await connect();
  await fill(client, stream);
  const { messages } = await client.call("getMessages", { stream });
  const at = async (from: "first" | "new" | { sequence: number }) => {
    const { nextSequence, previousPublishedAt } = await client.call("subscribe", { stream, from });
    return [nextSequence, previousPublishedAt];
  };

  expect(await at("first")).toEqual([1, undefined]);
  expect(await at({ sequence: 3 })).toEqual([3, publishedAt(messages, 2)]);
  expect(await at("new")).toEqual([6, publishedAt(messages, 5)]);
  await client.call("deleteMessages", { stream, through: 5 });
  expect(await at("first")).toEqual([6, publishedAt(messages, 5)]);
  await evict(env.STREAM.getByName(stream));
  expect(await at("first")).toEqual([6, publishedAt(messages, 5)]);
  expect(await client.call("subscribe", { stream, consumer: "sought" })).not.toHaveProperty("previousPublishedAt");
  await runInDurableObject(env.STREAM.getByName(stream), (_stream, { storage }) => {
    expect(storage.sql.exec("SELECT * FROM batches").toArray()).toEqual([]);
  });
});

function publishedAt(messages: readonly Message[], sequence: number): number {
  const message = messages.find((one) => one.sequence === sequence);
  if (message === undefined) {
    throw new Error(`no message ${sequence}`);
  }
  return message.publishedAt;
}
