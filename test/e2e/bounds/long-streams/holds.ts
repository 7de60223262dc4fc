/** What each call that could be long does to a publisher beside it, on a long stream. */
import { setTimeout as delay } from "node:timers/promises";

import { Client } from "../../server/client.ts";
import type { Server } from "../../server/server.ts";

const STREAM = "long";
const CONSUMER = "everything";
const MIB = 1_048_576;
/** Around the text of a message, where it is stored. */
const HEAD_BYTES = 60;
const CALLS_IN_FLIGHT = 16;
const USUAL_MS = 2_000;
/** Longer than a call's rows take to go, where they are not swept for seconds. */
const AFTER_MS = 1_000;
const SWEEP_MS = 5_000;

/** How a stream is filled: by batches of messages with so much text each. */
export type Length = { readonly messages: number; readonly batch: number; readonly characters: number };

/** A million small messages. */
export const MILLION: Length = { messages: 1_000_000, batch: 500, characters: 20 };

/** So many MiB in messages of 2,000 characters. */
export function mebibytes(mib: number): Length {
  const characters = 2_000;
  return { messages: Math.ceil((mib * MIB) / (characters + HEAD_BYTES)), batch: 16, characters };
}

/** What is kept of the stream: publishes beside a call add to it. */
type Stored = { firstSequence: number; lastSequence: number };

type HoldCase = {
  readonly name: string;
  /** How long rows may be deleted after the answer. */
  readonly afterMs: number;
  readonly act: (client: Client, stored: Stored) => Promise<unknown>;
};

const middleOf = ({ firstSequence, lastSequence }: Stored) => Math.floor((firstSequence + lastSequence) / 2);

/** In their order: those that only read, and then those that delete. */
const CASES: readonly HoldCase[] = [
  read("getStreamInfo", (client) => client.call("getStreamInfo", { stream: STREAM })),
  read("getMessages", (client) => client.call("getMessages", { stream: STREAM })),
  read("getMessages, the last", (client) => client.call("getMessages", { stream: STREAM, from: { last: 100 } })),
  read("subscribe from the first", async (client) => {
    const { subscription } = await client.call("subscribe", { stream: STREAM, maxInFlight: 1_000 });
    await client.untilMessages(100, subscription);
    return client.call("unsubscribe", { subscription });
  }),
  read("createConsumer", (client) => client.call("createConsumer", { stream: STREAM, consumer: CONSUMER })),
  read("createConsumer, filtered", (client) =>
    client.call("createConsumer", { stream: STREAM, consumer: "some", filter: "no.such" }),
  ),
  read("listConsumers", (client) => client.call("listConsumers", { stream: STREAM })),
  read("seekConsumer", (client, stored) =>
    client.call("seekConsumer", { stream: STREAM, consumer: CONSUMER, from: { sequence: middleOf(stored) } }),
  ),
  read("deleteConsumer, filtered", (client) => client.call("deleteConsumer", { stream: STREAM, consumer: "some" })),
  read("deleteMessages, 500 of them", (client, { lastSequence }) => {
    const sequences = Array.from({ length: 500 }, (_, index) => lastSequence - 100 * (index + 1));
    return client.call("deleteMessages", { stream: STREAM, sequences });
  }),
  sweep("deleteMessages through half", (client, stored) =>
    client.call("deleteMessages", { stream: STREAM, through: middleOf(stored) }),
  ),
  sweep("configureStream, maxMessages half", (client, { firstSequence, lastSequence }) =>
    client.call("configureStream", { stream: STREAM, maxMessages: Math.floor((lastSequence - firstSequence) / 2) }),
  ),
  sweep("configureStream, maxBytes half", async (client) => {
    const { bytes } = await client.call("getStreamInfo", { stream: STREAM });
    return client.call("configureStream", { stream: STREAM, maxBytes: Math.floor(bytes / 2) });
  }),
];

/** What becomes of a stream that is full again. */
const LAST: HoldCase = sweep("deleteStream", (client) => client.call("deleteStream", { stream: STREAM }));

function read(name: string, act: HoldCase["act"]): HoldCase {
  return { name, afterMs: AFTER_MS, act };
}

function sweep(name: string, act: HoldCase["act"]): HoldCase {
  return { name, afterMs: SWEEP_MS, act };
}

/** What a publisher met, in ms; `longestMs` is how long the stream's thread was held, and what the machine added. */
type Waits = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly count: number;
};

export type Held = { readonly name: string; readonly callMs: number; readonly beside: Waits };

/**
 * Fills a stream of a server and makes each call, with a publisher that publishes one message after the other.
 *
 * @param tell Is given what the publisher meets usually, and beside each call.
 * @returns What the publisher was answered, in its order.
 */
export async function measureHolds(server: Server, length: Length, tell: (held: Held) => void): Promise<Published[]> {
  const client = await Client.connect(server);
  const publisher = await Client.connect(server);
  const published: Published[] = [];
  const measure = async ({ name, afterMs, act }: HoldCase) => {
    const stored = await client.call("getStreamInfo", { stream: STREAM });
    tell({ name, ...(await besides(publisher, published, async () => act(client, stored), afterMs)) });
  };
  await fill(client, length);
  await measure({ name: "nothing", afterMs: USUAL_MS, act: async () => undefined });
  for (const each of CASES) {
    await measure(each);
  }
  await client.call("configureStream", { stream: STREAM, maxMessages: null, maxBytes: null });
  await fill(client, length);
  await measure(LAST);
  client.terminate();
  publisher.terminate();
  return published;
}

/** What a publish was answered. */
export type Published = { readonly epoch: string; readonly sequence: number };

/** Publishes one message after the other while a call is made, and some time after it. */
async function besides(
  publisher: Client,
  published: Published[],
  act: () => Promise<unknown>,
  afterMs: number,
): Promise<Omit<Held, "name">> {
  const waits: number[] = [];
  const end = new AbortController();
  const publishing = (async () => {
    while (!end.signal.aborted) {
      const startedAt = performance.now();
      published.push(await publisher.call("publish", { stream: STREAM, data: "beside" }));
      waits.push(performance.now() - startedAt);
    }
  })();
  const startedAt = performance.now();
  await act();
  const callMs = performance.now() - startedAt;
  await delay(afterMs);
  end.abort();
  await publishing;
  return { callMs, beside: waitsOf(waits) };
}

function waitsOf(waits: readonly number[]): Waits {
  const sorted = waits.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1), count: sorted.length };
}

async function fill(client: Client, { messages, batch, characters }: Length): Promise<void> {
  const one = Array.from({ length: batch }, () => ({ data: "x".repeat(characters) }));
  let left = Math.ceil(messages / batch);
  const publishAll = async () => {
    while (left > 0) {
      left -= 1;
      await client.call("publishBatch", { stream: STREAM, messages: one });
    }
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, publishAll));
}

/** One line of what was measured. */
export function lineOf({ name, callMs, beside: { p50Ms, p99Ms, longestMs, count } }: Held): string {
  const waits = `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)}, longest ${longestMs.toFixed(0)} ms of ${count}`;
  return `${name}: ${callMs.toFixed(0)} ms; a publisher beside it waits ${waits}`;
}
