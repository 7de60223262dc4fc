/**
 * `npm run demo`: 7,329 cities through one stream, to three followers, with checkpoints and a lost connection.
 *
 * Uses the server at `--url` (http://127.0.0.1:8787 unless given), or starts one for as long as it takes. Ends with
 * exit code 1 unless everything was received as it should be.
 */
import { parseArgs } from "node:util";

import { paint } from "./demo/display.ts";
import { findServer } from "./demo/server.ts";
import { demonstrate } from "./demo/story.ts";

const DEADLINE_MS = 60_000;

try {
  const { values: flags } = parseArgs({ options: { url: { type: "string", default: "http://127.0.0.1:8787" } } });
  console.log(paint("bold", "\nDurable Stream: a demonstration\n"));
  await using server = await findServer(flags.url);
  const { promise: isLate, reject } = Promise.withResolvers<never>();
  setTimeout(() => reject(new Error(`not done after ${DEADLINE_MS / 1_000} s`)), DEADLINE_MS).unref();
  process.exitCode = (await Promise.race([demonstrate(server), isLate])) ? 0 : 1;
} catch (error) {
  console.error(paint("red", `\n✗ ${String(error)}`));
  process.exitCode = 1;
}
// Sockets that a failure left open would keep the process. What a pipe has not taken yet would be lost with it.
process.stderr.write("", () => process.stdout.write("", () => process.exit()));
