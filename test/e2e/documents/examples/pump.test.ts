import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { expect } from "vitest";

import { DurableStream } from "../../../../rpc/client.ts";
import type { Message } from "../../../../rpc/index.ts";

import { randomOf } from "../../faults/loads/load.ts";
import { test } from "../../server/fixtures.ts";
import type { Server } from "../../server/server.ts";

const example = join(import.meta.dirname, "../../../examples/pump.ts");
const STREAM = "lines-of-app.log";
const SEED = Date.now() % 1_000_000;
/** The pump is killed this often, and the file grows each time. */
const KILLS = 6;
const LINES_A_ROUND = 400;
const MOST_BATCH_LINES = 60;

/**
 * Runs the pump, and kills it once it has said so many lines.
 *
 * @returns Whether it came to the end of the file.
 */
async function pump(file: string, { url, apiKey }: Server, how: { batchLines: number; killAfter: number }) {
  const env = { ...process.env, STREAM_URL: url, API_KEY: apiKey, BATCH_LINES: String(how.batchLines) };
  const child = spawn(process.execPath, [example, file], { env, stdio: ["ignore", "pipe", "inherit"] });
  let said = 0;
  createInterface({ input: child.stdout }).on("line", () => {
    said += 1;
    if (said >= how.killAfter) {
      child.kill("SIGKILL");
    }
  });
  const [code] = await once(child, "exit");
  return code === 0;
}

/** Lines with these numbers, each of them ended. */
function linesOf(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${first + index}\n`).join("");
}

async function readAll(client: DurableStream): Promise<Message[]> {
  const all: Message[] = [];
  for (let from = 1, last = from; from <= last;) {
    const page = await client.getMessages({ stream: STREAM, from: { sequence: from } });
    all.push(...page.messages);
    [from, last] = [page.nextSequence, page.lastSequence];
  }
  return all;
}

test("the pump: each line is stored once and in order, however often it is killed and cuts its batches otherwise", async ({
  server,
  data,
}) => {
  const random = randomOf(SEED);
  const file = join(data, "app.log");
  let lines = 0;
  let ends = 0;

  for (let round = 1; round <= KILLS; round += 1) {
    await appendFile(file, linesOf(lines + 1, LINES_A_ROUND));
    lines += LINES_A_ROUND;
    const [batchLines, killAfter] = [1 + Math.floor(random() * MOST_BATCH_LINES), 1 + Math.floor(random() * 12)];
    ends += (await pump(file, server, { batchLines, killAfter })) ? 1 : 0;
  }
  await appendFile(file, "a line that is not ended");
  const together = [7, 11].map((batchLines) => pump(file, server, { batchLines, killAfter: Infinity }));

  expect(await Promise.all(together), `seed ${SEED}`).toEqual([true, true]);
  expect(ends, "it was killed").toBeLessThan(KILLS);
  await using client = new DurableStream({ url: server.url, token: server.apiKey });
  const stored = await readAll(client);
  expect(stored.map((message) => message.data)).toEqual(
    Array.from({ length: lines }, (_, index) => `line ${index + 1}`),
  );
  expect(await client.getProducer({ stream: STREAM, producer: "pump" })).toMatchObject({
    producer: { epoch: 0, sequence: lines },
  });
});
