import type { Command } from "commander";

import type { DurableStream, Subscription } from "../../client.ts";
import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { Pipeline } from "../messages/pipeline.ts";
import { whole } from "../values.ts";

type Options = { readonly messages: number; readonly size: number };

/** One line of the result. Times are milliseconds, of a single publish until its answer. */
type Measured = {
  readonly what: string;
  readonly messages: number;
  readonly perSecond: number;
  readonly mibPerSecond: number;
  readonly medianMs?: number;
  readonly p99Ms?: number;
};

const BATCH = 500;
/** Publishes that wait for each other: enough for a 99th percentile to mean something. */
const LONE = 300;
const IN_FLIGHT = 2_000;

/** `bench`: what this server does for one client. */
export function benchCommand(cli: Cli): Command {
  return command("bench", {
    summary: "measure publishing and following on this server, from here, with one client",
    examples: [["bench --messages 100000 --size 256", ""]],
  })
    .option("--messages <n>", "so many in each measurement", whole(1_000, 1_000_000), 20_000)
    .option("--size <bytes>", "the data of each", whole(2, 200_000), 128)
    .addHelpText(
      "after",
      `
It makes a stream of its own, and deletes it. The rates are those of one connection, this process and the way to the
server included: a slow network or machine here is measured too.`,
    )
    .action((options: Options) => bench(cli, options));
}

async function bench(cli: Cli, options: Options): Promise<void> {
  const client = await cli.connect(Pipeline.QUEUE);
  const signal = cli.inOrder();
  const stream = `bench-${Math.random().toString(36).slice(2, 12)}`;
  const measurements = [publishAlone, publishTogether, publishBatches, followAll, followLive];
  try {
    await client.configureStream({ stream });
    const results: Measured[] = [];
    for (const measure of measurements) {
      signal.throwIfAborted();
      cli.output.progress(`${results.length + 1} of ${measurements.length}`);
      results.push(await measure(client, { stream, signal, ...options }));
    }
    cli.output.progress("");
    await cli.output.table(results, ["what", "messages", "perSecond", "mibPerSecond", "medianMs", "p99Ms"]);
  } finally {
    await client.deleteStream({ stream });
  }
}

type Setting = Options & { readonly stream: string; readonly signal: AbortSignal };

/** Each when the one before is answered. */
async function publishAlone(client: DurableStream, { stream, size, signal }: Setting): Promise<Measured> {
  const times: number[] = [];
  while (times.length < LONE && !signal.aborted) {
    const startedAt = performance.now();
    await client.publish({ stream, data: dataOf(size) });
    times.push(performance.now() - startedAt);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) => rounded(sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
  const ms = times.reduce((sum, each) => sum + each, 0);
  return { ...rates("publish, one at a time", { count: times.length, size, ms }), medianMs: at(0.5), p99Ms: at(0.99) };
}

/** As fast as the client sends them. */
async function publishTogether(client: DurableStream, { stream, size, signal, messages }: Setting): Promise<Measured> {
  const ms = await timed(() => publishAll(client, { stream, size, signal, messages }));
  return rates("publish, pipelined", { count: messages, size, ms });
}

async function publishBatches(client: DurableStream, { stream, size, signal, messages }: Setting): Promise<Measured> {
  const batch = Array.from({ length: BATCH }, () => ({ data: dataOf(size) }));
  const batches = Math.ceil(messages / BATCH);
  const ms = await timed(async () => {
    const pipeline = new Pipeline(signal, () => undefined);
    for (let sent = 0; sent < batches; sent += 1) {
      await pipeline.room();
      pipeline.add(client.publishBatch({ stream, messages: batch }), { count: BATCH, size: BATCH * size });
    }
    await pipeline.settled();
    pipeline.throwIfFailed();
  });
  return rates(`publish, batches of ${BATCH}`, { count: batches * BATCH, size, ms });
}

/** What is there, from the first message on. */
async function followAll(client: DurableStream, { stream, size, signal }: Setting): Promise<Measured> {
  const { messages: count } = await client.getStreamInfo({ stream });
  const ms = await timed(() => received(client.subscribe({ stream, maxInFlight: IN_FLIGHT }, { signal }), count));
  return rates("follow, from the first", { count, size, ms });
}

/** While it is published: until the last has come. */
async function followLive(
  client: DurableStream,
  { stream, size, signal, messages: count }: Setting,
): Promise<Measured> {
  const subscription = client.subscribe({ stream, from: "new", maxInFlight: IN_FLIGHT }, { signal });
  await subscription.ready;
  const ms = await timed(async () => {
    await Promise.all([received(subscription, count), publishAll(client, { stream, size, signal, messages: count })]);
  });
  return rates("publish and follow, live", { count, size, ms });
}

async function publishAll(client: DurableStream, { stream, size, signal, messages }: Setting): Promise<void> {
  const pipeline = new Pipeline(signal, () => undefined);
  const data = dataOf(size);
  for (let sent = 0; sent < messages; sent += 1) {
    if (pipeline.isFull) {
      await pipeline.room();
    }
    pipeline.add(client.publish({ stream, data }), { count: 1, size });
  }
  await pipeline.settled();
  pipeline.throwIfFailed();
}

async function received(subscription: Subscription, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const batch = await subscription.nextBatch();
    // It ends early when it is interrupted.
    left -= batch.value?.length ?? left;
  }
  subscription.close();
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function rates(what: string, { count, size, ms }: { count: number; size: number; ms: number }): Measured {
  const perSecond = (count / ms) * 1_000;
  return {
    what,
    messages: count,
    perSecond: Math.round(perSecond),
    mibPerSecond: rounded((perSecond * size) / 1_048_576),
  };
}

/** A string whose JSON has so many bytes. */
function dataOf(size: number): string {
  return "x".repeat(Math.max(0, size - 2));
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
