/** Text that is larger than a piece, by each method that reads it: two objects are between it and its client. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import type { Page } from "../../src/internal/calls.ts";
import type { FetchReply } from "../../src/internal/consumer-calls.ts";
import { accepted } from "../../src/platform/refused.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";

/** V8 allocates a string of so many bytes where only a full collection frees it, when it comes by RPC. */
const LARGE_BYTES = 131_072;

// Whatever is before it, a piece ends within a pair of one of them.
const PAIRS = ["😀".repeat(60_000), `x${"😀".repeat(60_000)}`];

describe.each([
  ["one that is larger than a piece", "x".repeat(250_000)],
  ["one without a pair where a piece ends", PAIRS[0]],
  ["one with a pair where a piece ends", PAIRS[1]],
])("a message, %s", (name, data) => {
  const stream = `pieces-${data?.length}-${name.length}`;
  const messages = [
    { subject: "large", data },
    { subject: "small", data: 1 },
  ];

  async function publish(): Promise<TestClient> {
    const client = await connect();
    await client.call("publishBatch", { stream, messages });
    return client;
  }

  it("comes whole by getMessages, with and without a filter", async () => {
    const client = await publish();

    const page = await client.call("getMessages", { stream });
    const filtered = await client.call("getMessages", { stream, filter: "large", limit: 1 });

    expect(page.messages.slice(0, 2)).toMatchObject(messages);
    expect(filtered.messages).toMatchObject(messages.slice(0, 1));
  });

  it("comes whole by fetchMessages", async () => {
    const client = await publish();
    await client.call("createConsumer", { stream, consumer: "c" });

    const fetched = await client.call("fetchMessages", { stream, consumer: "c", limit: 2 });

    expect(fetched.messages).toMatchObject(messages);
  });

  it("comes whole to a follower", async () => {
    const client = await publish();

    await client.call("subscribe", { stream, from: "first" });

    const first = await client.until(() => client.notifications[0], "messages");
    expect(first).toHaveProperty(["params", "messages", 0, "data"], data);
  });
});

it("a stream gives its text in small strings, and as one to a caller of the version before", async () => {
  const stream = "whole-text";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: PAIRS.map((data) => ({ data })) });
  await client.call("createConsumer", { stream, consumer: "c" });
  const object = env.STREAM.getByName(stream);

  const pages: Page[] = [];
  const fetched: FetchReply[] = [];
  for (const takesPieces of [undefined, true]) {
    const page = accepted(await object.readPage("first", 10, 2_000_000, undefined, undefined, takesPieces));
    pages.push(...(page === undefined ? [] : [page]));
    fetched.push(accepted(await object.fetchMessages("c", 1, takesPieces)));
  }

  for (const [before, now] of [pages, fetched]) {
    expect(before?.pieces).toBeUndefined();
    expect(before?.text).not.toBe("");
    expect(now?.text).toBe("");
    expect(now?.pieces?.every((piece) => piece.length * 2 < LARGE_BYTES)).toBe(true);
  }
  expect(pages[1]?.pieces?.join("")).toBe(pages[0]?.text);
});
