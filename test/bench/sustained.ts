/**
 * Whether a client can go on: `npm run bench:sustained -- --messages 1000000`.
 *
 * One client publishes so many messages as fast as it can, 4,096 open at a time. Told for each tenth: messages a second,
 * and the resident memory of the server's processes at its end.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { WebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";
import { builtWorker } from "../../scripts/server/build.ts";
import { Server } from "../e2e/server/server.ts";
import { manyAtATime } from "./driver/many-at-a-time.ts";
import { residentBytesOf } from "./driver/processes.ts";
import { DATA } from "./workloads/workload.ts";

const OPEN = 4_096;
const MEGABYTE = 1_048_576;
const message: unknown = JSON.parse(DATA);

const { values } = parseArgs({ options: { messages: { type: "string", default: "1000000" } } });
const messages = Number(values.messages);
const data = await mkdtemp(join(tmpdir(), "durable-stream-bench-"));
const server = new Server({ worker: await builtWorker(), data: join(data, "data") });
await server.start();
const client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket });
try {
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    const rate = await publish(Math.floor(messages / 10));
    const resident = Math.round((residentBytesOf(server.processGroup) ?? 0) / MEGABYTE);
    console.log(`${tenth} of 10: ${Math.round(rate)} messages/s, the server has ${resident} MB`);
  }
  const { messages: stored } = await client.getStreamInfo({ stream: "sustained" });
  console.log(`${stored} messages are stored`);
} finally {
  await client.close();
  await server.stop();
  await rm(data, { recursive: true, force: true });
}

/** Messages a second. */
async function publish(count: number): Promise<number> {
  const start = performance.now();
  await manyAtATime({ count, open: OPEN, latencies: undefined }, () =>
    client.publish({ stream: "sustained", data: message }),
  );
  return (count * 1000) / (performance.now() - start);
}
