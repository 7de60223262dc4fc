// The tour on Node.js, Bun and Deno; package.test.ts runs it.
import { WebSocket } from "ws";

import { tour } from "./tour.mjs";

const [url, token] = process.argv.slice(2);
const { Bun, Deno } = globalThis;

await tour({
  url,
  token,
  // Node.js has a WebSocket of its own from 22 on.
  ...(globalThis.WebSocket === undefined ? { WebSocket } : {}),
  runtime: Bun ? `Bun ${Bun.version}` : Deno ? `Deno ${Deno.version.deno}` : `Node.js ${process.versions.node}`,
  tell: (line) => process.stdout.write(`${line}\n`),
});
