/**
 * Prints how long each call with a rare filter takes on a long stream, and how long it holds the stream's thread, as another
 * caller sees it: `npx node test/e2e/bounds/long-streams/filtered.ts [--messages 1000000] [--mib 0] [--worker folder]`.
 *
 * `--mib` makes the messages so large that the stream holds as much; `--worker` takes another build than this one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

import { builtWorker } from "../../../../scripts/server/build.ts";
import { cpuMsOf } from "../../../bench/driver/processes.ts";
import { Client } from "../../server/client.ts";
import { Server } from "../../server/server.ts";

const STREAM = "long";
const BATCH = 500;
const RARE = 10;
const COMMON_SUBJECTS = 20;
const MIB = 1_048_576;
/** What a message takes beside its padding. */
const MESSAGE_BYTES = 130;
const LOOK_MS = 2;

const { values } = parseArgs({
  options: { messages: { type: "string" }, mib: { type: "string" }, worker: { type: "string" } },
});
const messages = Number(values.messages ?? 1_000_000);
const padding = "x".repeat(Math.max(60, Math.floor((Number(values.mib ?? 0) * MIB) / messages) - MESSAGE_BYTES));
const data = await mkdtemp(join(tmpdir(), "durable-stream-filtered-"));
const server = new Server({ worker: values.worker ?? (await builtWorker()), data });

/** Fills the stream; messages with a rare subject stand at equal distances. */
async function fill(): Promise<void> {
  const every = Math.floor(messages / RARE);
  for (let done = 0; done < messages; done += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, index) => {
      const number = done + index;
      const isRare = number % every === Math.floor(every / 2);
      return { subject: isRare ? "rare.event" : `common.s${number % COMMON_SUBJECTS}`, data: { number, padding } };
    });
    await client.call("publishBatch", { stream: STREAM, messages: batch });
  }
}

/** Calls the stream as often as it answers, and tells the longest it took. */
class Bystander {
  readonly #client: Client;
  #longestMs = 0;
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(client: Client) {
    this.#client = client;
    this.#running = this.#look();
  }

  async stop(): Promise<number> {
    this.#isOver = true;
    await this.#running;
    return this.#longestMs;
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now();
      await this.#client.call("getStreamInfo", { stream: STREAM });
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startedAt);
      await delay(LOOK_MS);
    }
  }
}

/** Runs something with nobody beside it, and prints how long it took, and the CPU time of the server. */
async function alone(name: string, run: () => Promise<string | number>): Promise<void> {
  const [startedAt, cpuMs] = [performance.now(), cpuMsOf(server.processGroup) ?? 0];
  const result = await run();
  const tookMs = performance.now() - startedAt;
  const usedMs = (cpuMsOf(server.processGroup) ?? 0) - cpuMs;
  process.stdout.write(`${name}: ${tookMs.toFixed(1)} ms, ${usedMs.toFixed(0)} ms of CPU; ${result}\n`);
}

/** Runs something, and prints how long it held the stream at most, as a bystander saw it. */
async function beside(name: string, run: () => Promise<string | number>): Promise<void> {
  const looking = new Bystander(bystander);
  await delay(10 * LOOK_MS);
  const startedAt = performance.now();
  const result = await run();
  const tookMs = performance.now() - startedAt;
  await delay(10 * LOOK_MS);
  const heldMs = await looking.stop();
  process.stdout.write(`${name}: ${tookMs.toFixed(1)} ms, held ${heldMs.toFixed(1)} ms at most; ${result}\n`);
}

/** Reads to the end, with or without a filter. */
async function readAll(filter?: string): Promise<number> {
  let count = 0;
  for (let sequence = 1, last = 1; sequence <= last;) {
    const page = await client.call("getMessages", { stream: STREAM, from: { sequence }, ...(filter && { filter }) });
    count += page.messages.length;
    [sequence, last] = [page.nextSequence, page.lastSequence];
  }
  return count;
}

/** Asks for a consumer until its count is no estimate. */
async function counted(consumer: string): Promise<number> {
  for (;;) {
    const info = await client.call("getConsumer", { stream: STREAM, consumer });
    if (info.pendingIsEstimate !== true) {
      return info.pending;
    }
    await delay(LOOK_MS);
  }
}

async function created(consumer: string, filter: string): Promise<number> {
  await client.call("createConsumer", { stream: STREAM, consumer, filter });
  return counted(consumer);
}

async function caughtUp(): Promise<number> {
  const { subscription } = await client.call("subscribe", { stream: STREAM, filter: "rare.>" });
  const got = () => client.of("messages", subscription).reduce((sum, page) => sum + page.messages.length, 0);
  await client.until(() => got() >= RARE || undefined, "the rare messages");
  return got();
}

await server.start();
let client = await Client.connect(server);
let bystander = await Client.connect(server);
await client.call("configureStream", { stream: STREAM, maxBytes: 4_000 * MIB });
await alone("fill", async () => fill().then(() => messages));
await beside("nothing", async () => delay(500).then(() => ""));
await alone("getMessages, all", () => readAll());
for (const [index, measured] of [alone, alone, alone, beside].entries()) {
  await measured("getMessages, rare", () => readAll("rare.>"));
  await measured("createConsumer and its count, rare", () => created(`rare-${index}`, "rare.>"));
  await measured("subscription's catch-up, rare", caughtUp);
}
await beside("createConsumer and its count, a twentieth", () => created("twentieth", "common.s7"));
await beside("ten creations at once", async () => {
  const names = Array.from({ length: 10 }, (_, index) => `ten-${index}`);
  await Promise.all(
    names.map((consumer, index) => created(consumer, index % 2 === 0 ? "*.event" : `common.s${index}`)),
  );
  return names.length;
});
[client, bystander].forEach((one) => one.terminate());
await server.kill9();
await server.start();
[client, bystander] = [await Client.connect(server), await Client.connect(server)];
await beside("listConsumers after a restart", async () => {
  const { consumers } = await client.call("listConsumers", { stream: STREAM });
  return `${consumers.length}, ${consumers.filter((one) => one.pendingIsEstimate === true).length} estimates`;
});
await beside("updateConsumer", async () => {
  await client.call("updateConsumer", { stream: STREAM, consumer: "rare-0", filter: "common.s1" });
  return counted("rare-0");
});
await beside("fetchMessages, rare", async () => {
  const answer = await client.call("fetchMessages", { stream: STREAM, consumer: "rare-1", limit: RARE });
  return answer.messages.length;
});
await beside("deleteMessages, half", async () => {
  const { deleted } = await client.call("deleteMessages", { stream: STREAM, through: Math.floor(messages / 2) });
  return deleted;
});
[client, bystander].forEach((one) => one.terminate());
await server.stop();
await rm(data, { recursive: true, maxRetries: 3 });
