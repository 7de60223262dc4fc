/**
 * Prints how long a publisher waits beside each call on a long stream that could be long:
 * `npx node test/e2e/bounds/long-streams/hold.ts [MiB, or million] [folder of another built Worker]`; 1,024 MiB
 * unless given.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { builtWorker } from "../../../../scripts/server/build.ts";
import { Server } from "../../server/server.ts";

import { lineOf, measureHolds, mebibytes, MILLION } from "./holds.ts";

const [size = "1024", worker = await builtWorker()] = process.argv.slice(2);
const data = await mkdtemp(join(tmpdir(), "durable-stream-holds-"));
const server = new Server({ worker, data, vars: { MAX_STREAM_BYTES: "4000000000" } });
await server.start();
await measureHolds(server, size === "million" ? MILLION : mebibytes(Number(size)), (held) => {
  process.stdout.write(`${lineOf(held)}\n`);
});
await server.kill9();
await rm(data, { recursive: true, maxRetries: 3 });
