import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import type { Message, StreamInfo } from "../../../../rpc/index.ts";
import type { Client } from "../../server/client.ts";
import { sharingServer } from "../../server/fixtures.ts";
import { rows, run, Running } from "../command-line.ts";
import { folderOf } from "../folder.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });

const withoutTime = ({ publishedAt: _publishedAt, ...rest }: Message) => rest;

/** A stream of 40 messages, of which the first ten, two in the middle and the last three are deleted. */
async function makeHoles(client: Client, stream: string): Promise<void> {
  const messages = Array.from({ length: 40 }, (_, n) => ({ data: { n }, subject: `a.${n}`, headers: { h: `${n}` } }));
  await client.call("publishBatch", { stream, messages });
  await client.call("deleteMessages", { stream, through: 10 });
  await client.call("deleteMessages", { stream, sequences: [20, 22, 38, 39, 40] });
}

test("imports what was exported with the same sequences, holes and the end included", async ({ server, connect }) => {
  await makeHoles(await connect(), "source");
  await run(server, ["pub", "source-id", "1", "--id", "i"]);

  const exported = await run(server, ["export", "source"]);
  const imported = await run(server, ["import", "target"], { input: exported.stdout });
  const withId = await run(server, ["import", "target-id"], {
    input: (await run(server, ["export", "source-id"])).stdout,
  });

  expect([exported.code, imported.code, withId.code]).toEqual([0, 0, 0]);
  expect(imported.stderr).toContain("last sequence 40, 15 placeholders among them");
  const [source, target] = await Promise.all(
    ["source", "target"].map((stream) => rows<Message>(server, ["sub", stream, "--until-end"])),
  );
  expect(source).toHaveLength(25);
  expect(target?.map(withoutTime)).toEqual(source?.map(withoutTime));
  const [info] = await rows<StreamInfo>(server, ["info", "target"]);
  expect(info).toMatchObject({ firstSequence: 11, lastSequence: 40, messages: 25 });
  expect(await rows<Message>(server, ["sub", "target-id", "--until-end"])).toMatchObject([{ id: "i" }]);
});

test("goes on with an export where it was broken off, also within a line", async ({ server, folder }) => {
  const file = join(folder, "export.jsonl");
  await run(server, ["pub", "resumed"], { input: Array.from({ length: 1_200 }, (_, index) => `${index}\n`).join("") });
  const whole = (await run(server, ["export", "resumed"])).stdout;
  const torn = whole.slice(0, whole.indexOf('"sequence":700') + 20);
  await writeFile(file, torn);

  const resumed = await run(server, ["export", "resumed", "--file", file]);
  await run(server, ["pub", "resumed", "1200"]);
  const later = await run(server, ["export", "resumed", "--file", file]);

  expect([resumed.code, later.code]).toEqual([0, 0]);
  expect(resumed.stderr).toMatch(/^goes on behind message 699\nexported 501 messages/);
  expect(later.stderr).toMatch(/^goes on behind message 1200\nexported 1 message /);
  expect(await readFile(file, "utf8")).toBe((await run(server, ["export", "resumed"])).stdout);
});

test("does not continue the export of another stream, or a file that is none", async ({ server, folder }) => {
  const file = join(folder, "export.jsonl");
  await run(server, ["pub", "one", "1", "2"]);
  await run(server, ["pub", "two", "3", "4", "5"]);
  await run(server, ["export", "one", "--file", file]);
  await writeFile(join(folder, "notes"), "buy tea\n");

  const other = await run(server, ["export", "two", "--file", file]);
  const none = await run(server, ["export", "one", "--file", join(folder, "notes")]);

  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("\nConflict: ") });
  expect(none.code).toBe(2);
  expect(await readFile(join(folder, "notes"), "utf8")).toBe("buy tea\n");
});

test("goes on with an import that was killed", async ({ server, connect }) => {
  await makeHoles(await connect(), "long");
  await run(server, ["pub", "long"], { input: Array.from({ length: 20_000 }, (_, index) => `${index}\n`).join("") });
  const { stdout: exported } = await run(server, ["export", "long"]);
  const half = exported.slice(0, exported.indexOf('"sequence":10000,'));
  {
    await using running = new Running(server, ["import", "killed"]);
    running.write(half);
    await expect.poll(async () => (await run(server, ["info", "killed"])).code).toBe(0);
    running.signal("SIGKILL");
    await running.untilEnded();
  }

  const again = await run(server, ["import", "killed"], { input: exported });
  const third = await run(server, ["import", "killed"], { input: exported });

  expect([again.code, third.code]).toEqual([0, 0]);
  expect(again.stderr).toMatch(/^goes on behind message \d+\n/);
  expect(third.stderr).toMatch(/\nstored 0 messages/);
  const messages = await rows<Message>(server, ["sub", "killed", "--until-end"]);
  expect(messages.map(withoutTime)).toEqual(
    (await rows<Message>(server, ["sub", "long", "--until-end"])).map(withoutTime),
  );
});

test("imports nothing into a stream that has other messages, and nothing that is no export", async ({ server }) => {
  await run(server, ["pub", "busy", "1", "2"]);
  await run(server, ["pub", "origin", "3", "4", "5"]);
  const { stdout } = await run(server, ["export", "origin"]);

  const busy = await run(server, ["import", "busy"], { input: stdout });
  const shorter = await run(server, ["import", "busy"], { input: '{"sequence":1,"data":1}\n' });
  const backwards = await run(server, ["import", "b"], { input: '{"sequence":2,"data":1}\n{"sequence":1,"data":1}\n' });
  const none = await run(server, ["import", "c"], { input: '{"a":1}\n' });

  expect([busy, shorter, backwards, none].map(({ code }) => code)).toEqual([1, 1, 2, 2]);
  expect(busy.stderr).toContain("\nConflict: ");
  expect(await rows(server, ["sub", "busy", "--until-end"])).toHaveLength(2);
});

test("refuses ids that would be stored once, and leaves them out with --no-ids", async ({ server, folder }) => {
  const file = join(folder, "ids.jsonl");
  await writeFile(file, [1, 2].map((sequence) => `{"sequence":${sequence},"data":${sequence},"id":"same"}\n`).join(""));

  const refused = await run(server, ["import", "ids", "--file", file]);
  const taken = await run(server, ["import", "no-ids", "--file", file, "--no-ids"]);

  expect([refused.code, taken.code]).toEqual([1, 0]);
  expect(refused.stderr).toContain("--no-ids");
  expect(await rows(server, ["sub", "no-ids", "--until-end"])).toHaveLength(2);
});
