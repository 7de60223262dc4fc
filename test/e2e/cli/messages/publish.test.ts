import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import type { Message } from "../../../../rpc/index.ts";
import { sharingServer } from "../../server/fixtures.ts";
import { Proxy } from "../../server/proxy.ts";
import { rows, run, Running } from "../command-line.ts";
import { folderOf } from "../folder.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });

const all = (stream: string) => ["sub", stream, "--until-end"];

test("publishes its arguments, with subject, headers and id", async ({ server }) => {
  const first = await run(server, [
    "pub",
    "args",
    '{"item":"tea"}',
    "-s",
    "orders.eu",
    "-H",
    "a=1",
    "-H",
    "b=x=y",
    "--id",
    "i1",
  ]);
  const again = await run(server, ["pub", "args", "2", "--id", "i1", "--verbose"]);
  const text = await run(server, ["pub", "args", "not json", "17", "--text"]);

  const messages = await rows<Message>(server, all("args"));
  expect([first.code, again.code, text.code]).toEqual([0, 0, 0]);
  expect(first.stdout).toBe("");
  expect(first.stderr).toMatch(/^stored 1 message in .*\/s, last sequence 1\n$/);
  expect(JSON.parse(again.stdout)).toEqual({ sequence: 1, duplicate: true });
  expect(messages.map(({ data }) => data)).toEqual([{ item: "tea" }, "not json", "17"]);
  expect(messages[0]).toMatchObject({ subject: "orders.eu", headers: { a: "1", b: "x=y" }, id: "i1" });
});

test("publishes a line of JSON each from the standard input or a file, in order", async ({ server, folder }) => {
  const lines = Array.from({ length: 5_000 }, (_, index) => JSON.stringify({ index, text: "é\u2028" }));
  const file = join(folder, "lines.jsonl");
  // Without an end of the last line, with Windows ends and empty lines.
  await writeFile(file, lines.join("\r\n\n"));

  const piped = await run(server, ["pub", "lines"], { input: `${lines.join("\n")}\n` });
  const read = await run(server, ["pub", "lines", "--file", file, "--batch", "300"]);

  expect([piped.code, read.code]).toEqual([0, 0]);
  expect(read.stderr).toMatch(/^stored 5,000 messages in .*last sequence 10000\n$/);
  const messages = await rows<Message>(server, all("lines"));
  expect(messages.map(({ data }) => JSON.stringify(data))).toEqual([...lines, ...lines]);
});

test("says nothing to a pipe but with --verbose, as its help says", async ({ server }) => {
  const quiet = await run(server, ["pub", "quiet", "1", "2"]);
  const told = await run(server, ["pub", "quiet", "--verbose"], { input: "3\n4\n" });
  const help = await run(undefined, ["pub", "--help"]);

  expect(quiet).toMatchObject({ code: 0, stdout: "" });
  expect(
    told.stdout
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line)),
  ).toEqual([
    { sequence: 3, duplicate: false },
    { sequence: 4, duplicate: false },
  ]);
  expect(help.stdout.replaceAll(/\s+/g, " ")).toContain("else, as in a pipe, only with --verbose.");
});

test("takes each line as a string with --text", async ({ server }) => {
  await run(server, ["pub", "text", "--text"], { input: 'a "b"\r\n{"c":1}\n' });

  const messages = await rows<Message>(server, all("text"));
  expect(messages.map(({ data }) => data)).toEqual(['a "b"', '{"c":1}']);
});

test("stores what is before a line that is no JSON, and says which line it is", async ({ server }) => {
  const { code, stderr } = await run(server, ["pub", "broken"], { input: "1\n2\n" });
  const broken = await run(server, ["pub", "broken"], { input: `3\n{"a":\n4\n` });

  expect([code, broken.code]).toEqual([0, 2]);
  expect(stderr).toContain("last sequence 2");
  expect(broken.stderr.trimEnd().split("\n").at(-1)).toBe("message 2 is not JSON");
});

test("stores nothing of what is behind a message that the server refuses", async ({ server }) => {
  const lines = ["1", "2", JSON.stringify("x".repeat(300_000)), ...Array.from({ length: 3_000 }, () => "3")];

  const { code, stderr } = await run(server, ["pub", "refused"], { input: lines.join("\n") });

  expect(code).toBe(1);
  expect(stderr).toMatch(/\nTooLarge: .*messageBytes/);
  expect((await rows<Message>(server, all("refused"))).map(({ data }) => data)).toEqual([1, 2]);
});

test("stores each message once and in order over a connection that is cut, and says so", async ({ server }) => {
  await using proxy = await Proxy.to(server.url);
  await using running = new Running({ url: proxy.url, apiKey: server.apiKey }, ["pub", "cut", "--verbose"]);
  const count = 20_000;

  for (let at = 0; at < count; at += 1_000) {
    running.write(Array.from({ length: 1_000 }, (_, index) => `${at + index}\n`).join(""));
    await running.until(({ stdout }) => stdout.split("\n").length > at, "an answer");
    if (at % 5_000 === 0) {
      proxy.connections.forEach((connection) => connection.cut());
    }
  }
  running.endInput();
  const { code, stderr } = await running.untilEnded();

  expect(code).toBe(0);
  expect(stderr).toContain("the connection is lost");
  expect(stderr).toContain("connected again");
  const messages = await rows<Message>(server, all("cut"));
  expect(messages.map(({ data }) => data)).toEqual(Array.from({ length: count }, (_, index) => index));
});

test("finishes what it has read when it is interrupted", async ({ server }) => {
  await using running = new Running(server, ["pub", "interrupted", "--verbose"]);
  running.write("1\n2\n");
  await running.until(({ stdout }) => stdout.includes('"sequence":2'), "the second sequence");

  running.signal("SIGINT");
  const { code, stderr } = await running.untilEnded();

  expect(code).toBe(130);
  expect(stderr).toMatch(/^stored 2 messages in .*last sequence 2\n$/);
});
