/**
 * Prints how much of a processor a frame takes whose call is refused, and one that nobody looks at, which is the runtime's
 * part: `npx node test/e2e/bounds/frame-cost.ts [method] [params as JSON] [frames]`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { builtWorker } from "../../../scripts/server/build.ts";
import { cpuMsOf } from "../../bench/driver/processes.ts";
import { Client } from "../server/client.ts";
import { Server } from "../server/server.ts";

import { fill } from "./cases.ts";

/** A server is idle when it has used less than this for so long. */
const IDLE = { ms: 20, forMs: 400 };
/** More large answers than a socket is given that does not read, and more than it may have open: from then on all are refused. */
const FIRST = 200;

const [method = "getMessages", params = '{"stream":"bounds"}', frames = "20000"] = process.argv.slice(2);
const count = Number(frames);
const data = await mkdtemp(join(tmpdir(), "durable-stream-frames-"));
const server = new Server({ worker: await builtWorker(), data });
await server.start();
try {
  const client = await Client.connect(server);
  await fill(client);
  client.terminate();
  const call = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: JSON.parse(params) as object });
  const refused = await costOf(call, (socket) => sendTimes(socket, call, FIRST));
  // Frames that come after the server's Close are not looked at.
  const ignored = await costOf(call, (socket) => socket.send(new Uint8Array(1)));
  process.stdout.write(
    `${method}: ${refused.toFixed(1)} µs of a processor for a frame, ${ignored.toFixed(1)} ignored\n`,
  );
} finally {
  await server.kill9();
  await rm(data, { recursive: true, maxRetries: 3 });
}

/** What a frame takes on a socket that reads nothing, in µs. @param prepare Brings the socket where its calls are refused. */
async function costOf(frame: string, prepare: (socket: Client) => void): Promise<number> {
  const socket = await Client.connect(server);
  socket.pause();
  prepare(socket);
  const before = await whenIdle();
  sendTimes(socket, frame, count);
  const spentMs = (await whenIdle()) - before;
  socket.terminate();
  return (spentMs * 1_000) / count;
}

function sendTimes(socket: Client, frame: string, times: number): void {
  for (let time = 0; time < times; time += 1) {
    socket.send(frame);
  }
}

/** The processor time of the server so far, once it does nothing. */
async function whenIdle(): Promise<number> {
  for (let last = Number.NEGATIVE_INFINITY; ;) {
    const now = cpuMsOf(server.processGroup);
    if (now === undefined) {
      throw new Error("the processor time of a process is known on Linux only");
    }
    if (now - last < IDLE.ms) {
      return now;
    }
    last = now;
    await delay(IDLE.forMs);
  }
}
