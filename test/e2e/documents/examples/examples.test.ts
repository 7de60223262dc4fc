import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect } from "vitest";

import { test } from "../../server/fixtures.ts";
import type { Server } from "../../server/server.ts";

const examples = join(import.meta.dirname, "../../../examples");

/** Runs an example as its comment says, and returns what it wrote. */
async function run(name: string, { url, apiKey }: Server): Promise<string[]> {
  const env = { ...process.env, STREAM_URL: url, API_KEY: apiKey };
  const { stdout } = await promisify(execFile)(process.execPath, [join(examples, name)], { env, timeout: 50_000 });
  return stdout.trimEnd().split("\n");
}

test("the work queue: each job is done once, by one of two workers, and what can not be done is set aside", async ({
  server,
}) => {
  const lines = await run("work-queue.ts", server);

  const told = lines.slice(0, -1);
  const squares = told.map((line) => Number(/did (\d+)²/.exec(line)?.[1])).toSorted((a, b) => a - b);
  expect(squares).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(new Set(told.map((line) => line.split(" ")[0]))).toEqual(new Set(["Ann", "Bob"]));
  expect(JSON.parse(lines.at(-1) ?? "")).toEqual({
    ackFloor: 21,
    pending: 0,
    inFlight: 0,
    deadLetters: 1,
    reason: "there is no such square",
  });
});

test("the replica: starts from a checkpoint, slower than the next one comes, reads what came after, and is equal", async ({
  server,
}) => {
  const [line = ""] = await run("replica.ts", server);

  // 31 changes are in the snapshot that it loaded, once; three came one by one, though two of those are in a checkpoint.
  expect(JSON.parse(line)).toEqual({ deleted: 30, restores: 1, applied: 3, at: 34, isEqual: true });
});
