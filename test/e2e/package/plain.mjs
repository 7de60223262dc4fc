// Uses the installed package as a program in plain JavaScript would; package.test.ts runs it.
import { ErrorCode } from "durable-stream";
import { DurableStream, DurableStreamError } from "durable-stream/client";
import { WebSocket } from "ws";

const [url, token] = process.argv.slice(2);
// Node.js has a WebSocket of its own from 22 on.
const client = new DurableStream({ url, token, ...(globalThis.WebSocket === undefined ? { WebSocket } : {}) });
const [version] = process.version.split(".");
const stream = `package-${version}`;
const told = [];

await client.publish({ stream, data: "hello" });
await client.publish({ stream, data: "world" });
for await (const event of client.subscribe({ stream })) {
  told.push(`${event.sequence} ${event.data}`);
  if (event.sequence === 2) {
    break;
  }
}
try {
  await client.publish({ stream, data: "late", expect: { lastSequence: 0 } });
} catch (error) {
  if (error instanceof DurableStreamError && error.code === ErrorCode.Conflict) {
    told.push(`${error.name} ${error.code}`);
  }
}
await client.close();
process.stdout.write(`${version}: ${told.join(", ")}\n`);
