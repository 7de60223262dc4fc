/**
 * Whether a client can go on: `npm run bench:sustained -- --messages 1000000`.
 *
 * One client publishes so many messages as fast as it can, 4,096 open at a time. Told for each tenth: messages a second,
 * and the resident memory of the server's processes at its end.
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { WebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";
import { buildWorker } from "../e2e/server/build-worker.ts";
import { Server } from "../e2e/server/server.ts";

const OPEN = 4_096;
const DATA = { user: "a-typical-user-name", action: "updated", amount: 1234.56, note: "some text to make it 100 b" };

const { values } = parseArgs({ options: { messages: { type: "string", default: "1000000" } } });
const messages = Number(values.messages);
const data = await mkdtemp(join(tmpdir(), "durable-stream-bench-"));
const worker = join(data, "worker");
await buildWorker(worker);
const server = new Server({ worker, data: join(data, "data") });
await server.start();
const client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket });
try {
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    const rate = await publish(Math.floor(messages / 10));
    console.log(`${tenth} of 10: ${Math.round(rate)} messages/s, the server has ${residentMegabytes()} MB`);
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
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      await client.publish({ stream: "sustained", data: DATA });
    }
  };
  await Promise.all(Array.from({ length: OPEN }, one));
  return (count * 1000) / (performance.now() - start);
}

/** Of every process that this one has started, and those of them. */
function residentMegabytes(): number {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,rss="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((row) => row.trim().split(/\s+/).map(Number));
  const ours = new Set([process.pid]);
  for (const [pid = 0, parent = 0] of rows) {
    if (ours.has(parent)) {
      ours.add(pid);
    }
  }
  const kilobytes = rows.filter(([pid = 0]) => pid !== process.pid && ours.has(pid)).map(([, , rss = 0]) => rss);
  return Math.round(kilobytes.reduce((sum, one) => sum + one, 0) / 1024);
}
