import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";
import type { Page, PageReply } from "../../../src/internal/calls.ts";
import { whole } from "../../../src/internal/pieces.ts";
import { connect } from "../../harness/client.ts";
import { range } from "../../harness/objects.ts";

/** 40 kB, so that six are a part and a page is of several parts. */
const PADDING = "é".repeat(20_000);
const COUNT = 60;

async function fill(stream: string, sizes: readonly number[]): Promise<void> {
  const client = await connect();
  for (const [index, size] of sizes.entries()) {
    await client.call("publish", { stream, data: `${index + 1}:${PADDING.slice(0, size)}` });
  }
}

async function page(stream: string, sequence: number, most: { messages?: number; bytes?: number } = {}): Promise<Page> {
  const { messages = LIMITS.pageMessages, bytes = LIMITS.pageBytes } = most;
  const reply = await env.STREAM.getByName(stream).readPage({ sequence }, messages, bytes, undefined, undefined, true);
  return pageOf(reply);
}

function pageOf(reply: PageReply): Page {
  if (reply === undefined || "refused" in reply) {
    throw new Error("no page");
  }
  return whole(reply);
}

/** The sequences of a page, as its text tells them. */
function sequencesOf({ text }: Pick<Page, "text">): number[] {
  return (JSON.parse(`[${text}]`) as { sequence: number }[]).map(({ sequence }) => sequence);
}

it("reads a page of several parts as it would one of a part, and one that ends where it is full", async () => {
  const stream = "page-parts-whole";
  const sizes = range(1, COUNT).map((index) => (index * 7_919) % PADDING.length);
  await fill(stream, sizes);

  const seen: number[] = [];
  for (let sequence = 1; sequence <= COUNT;) {
    const { first, last, lastSequence, count, bytes, text } = await page(stream, sequence);
    expect({ first, lastSequence, count }).toEqual({ first: sequence, lastSequence: COUNT, count: last - first + 1 });
    expect(bytes).toBe(new TextEncoder().encode(text).length);
    expect(bytes).toBeLessThanOrEqual(LIMITS.pageBytes);
    // It is full, but for a message or two.
    expect(last === COUNT || bytes > LIMITS.pageBytes / 2).toBe(true);
    seen.push(...sequencesOf({ text }));
    sequence = last + 1;
  }

  expect(seen).toEqual(range(1, COUNT));
  expect(sequencesOf(await page(stream, 3, { messages: 40 }))).toEqual(range(3, 42));
});

it("passes over what was deleted, at the end of a part as well", async () => {
  const stream = "page-parts-holes";
  await fill(
    stream,
    range(1, COUNT).map(() => PADDING.length),
  );
  const client = await connect();
  const deleted = range(1, COUNT).filter((sequence) => sequence % 10 < 6 || (sequence > 20 && sequence < 58));
  await client.call("deleteMessages", { stream, sequences: deleted });

  const { last, count, text, bytes } = await page(stream, 1);

  const left = range(1, COUNT).filter((sequence) => !deleted.includes(sequence));
  expect(sequencesOf({ text })).toEqual(left);
  expect({ last, count, bytes }).toEqual({
    last: COUNT,
    count: left.length,
    bytes: new TextEncoder().encode(text).length,
  });
});

it("takes no message for which there is no room behind what it has", async () => {
  const stream = "page-parts-large";
  const client = await connect();
  const large = "x".repeat(220_000);
  for (const data of [large, large, large, large, large, "x"]) {
    await client.call("publish", { stream, data });
  }

  expect(sequencesOf(await page(stream, 1))).toEqual([1, 2, 3, 4]);
  expect(sequencesOf(await page(stream, 5))).toEqual([5, 6]);
});

it("answers other calls between the parts of a page, which ends where its rest is deleted meanwhile", async () => {
  const stream = "page-parts-between";
  await fill(
    stream,
    range(1, COUNT).map(() => PADDING.length),
  );
  const stub = env.STREAM.getByName(stream);
  const order: string[] = [];

  const reading = stub.readPage("first", LIMITS.pageMessages, LIMITS.pageBytes).finally(() => order.push("page"));
  // Behind the first part, as it is called on the same stub.
  await stub.deleteMessages({ stream, through: COUNT - 1 });
  order.push("deleted");
  const read = pageOf(await reading);
  const next = await page(stream, read.last + 1);

  expect(order).toEqual(["deleted", "page"]);
  expect(sequencesOf(read)).toEqual(range(1, read.last));
  expect(read.last).toBeLessThan(20);
  expect(next).toMatchObject({ first: COUNT, skipped: { from: read.last + 1, to: COUNT - 1 } });
});
