import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import type { ServerInfo, StreamInfo } from "../../../rpc/index.ts";
import { sharingServer } from "../server/fixtures.ts";
import { rows, run } from "./command-line.ts";
import { folderOf } from "./folder.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });

test("info shows a stream, or the server; as JSON in a pipe, as a table for people", async ({ server }) => {
  await run(server, ["pub", "shown", "1"]);

  const [stream] = await rows<StreamInfo>(server, ["info", "shown"]);
  const [info] = await rows<ServerInfo>(server, ["info"]);
  const table = await run(server, ["info", "shown", "--human"]);

  expect(stream).toMatchObject({ stream: "shown", lastSequence: 1, messages: 1 });
  expect(info).toMatchObject({ name: "durable-stream", limits: { batchMessages: 500 } });
  expect(table.stdout).toMatch(/^stream +shown\n/);
  expect(table.stdout).toMatch(/^createdAt +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/m);
});

test("trim deletes up to a sequence", async ({ server }) => {
  await run(server, ["pub", "trimmed", "1", "2", "3"]);

  const unsure = await run(server, ["trim", "trimmed", "--through", "2"]);
  const [result] = await rows(server, ["trim", "trimmed", "--through", "2", "--yes"]);

  expect(unsure).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  expect(result).toMatchObject({ deleted: 2, firstSequence: 3 });
});

test("rm deletes a stream, with --yes where there is no terminal to ask on", async ({ server }) => {
  await run(server, ["pub", "removed", "1"]);

  const unsure = await run(server, ["rm", "removed"]);
  const kept = await run(server, ["info", "removed"]);
  const sure = await run(server, ["rm", "removed", "--yes"]);

  expect(unsure).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  expect([kept.code, sure.code]).toEqual([0, 0]);
  expect((await run(server, ["info", "removed"])).code).toBe(1);
});

test("state get and put, over the revision that is expected", async ({ server, folder }) => {
  const file = join(folder, "state.json");
  await writeFile(file, '{"open":2}\n');

  const put = await run(server, ["state", "put", "kept", '{"open":1}', "--expect-revision", "0"]);
  const late = await run(server, ["state", "put", "kept", "{}", "--expect-revision", "0"]);
  const fromFile = await run(server, ["state", "put", "kept", "--file", file]);
  const fromPipe = await run(server, ["state", "put", "kept"], { input: '{"open":"\\u001b"}' });

  expect([put, late, fromFile, fromPipe].map(({ code }) => code)).toEqual([0, 1, 0, 0]);
  expect(late.stderr).toMatch(/^Conflict: .*"revision":1/);
  expect(await rows(server, ["state", "get", "kept"])).toMatchObject([{ revision: 3, state: { open: "\u001b" } }]);
  expect((await run(server, ["state", "get", "kept", "--human"])).stdout).toContain('"open": "\\u001b"');
});

test("checkpoint replaces the state and trims", async ({ server }) => {
  await run(server, ["pub", "checked", "1", "2", "3"]);

  const [result] = await rows(server, [
    "checkpoint",
    "checked",
    '{"sum":3}',
    "--through",
    "2",
    "--expect-revision",
    "0",
  ]);

  expect(result).toMatchObject({ revision: 1, deleted: 2, firstSequence: 3 });
});
