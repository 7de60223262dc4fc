import { expect } from "vitest";

import type { Message } from "../../../../rpc/index.ts";
import { sharingServer } from "../../server/fixtures.ts";
import { Proxy } from "../../server/proxy.ts";
import { rows, run, Running } from "../command-line.ts";

const test = sharingServer();

const sequencesOf = (messages: readonly Message[]) => messages.map(({ sequence }) => sequence);

test("begins where --from says, and ends where --until-end or --count does", async ({ server }) => {
  await run(server, ["pub", "from"], { input: "1\n2\n3\n4\n5\n" });
  const read = async (...flags: string[]) => sequencesOf(await rows<Message>(server, ["sub", "from", ...flags]));

  expect(await read("--until-end")).toEqual([1, 2, 3, 4, 5]);
  expect(await read("--until-end", "--from", "4")).toEqual([4, 5]);
  expect(await read("--until-end", "--from", "last:2")).toEqual([4, 5]);
  expect(await read("--until-end", "--from", "new")).toEqual([]);
  expect(await read("--until-end", "--from", "1h")).toEqual([1, 2, 3, 4, 5]);
  expect(await read("--until-end", "--from", "2100-01-01T00:00:00Z")).toEqual([]);
  expect(await read("--until-end", "--count", "2")).toEqual([1, 2]);
  expect(await read("--count", "3", "--from", "2")).toEqual([2, 3, 4]);
});

test("reads more than a page until the end", async ({ server }) => {
  await run(server, ["pub", "pages"], { input: Array.from({ length: 2_600 }, (_, index) => `${index}\n`).join("") });

  const messages = await rows<Message>(server, ["sub", "pages", "--until-end"]);

  expect(sequencesOf(messages)).toEqual(Array.from({ length: 2_600 }, (_, index) => index + 1));
});

test("filters, also where the last message does not match", async ({ server }) => {
  await run(server, ["pub", "filtered", "1", "-s", "eu.a"]);
  await run(server, ["pub", "filtered", "2", "-s", "us.a"]);

  const flags = ["sub", "filtered", "--filter", "eu.>"];
  expect(sequencesOf(await rows<Message>(server, [...flags, "--until-end"]))).toEqual([1]);
  expect(sequencesOf(await rows<Message>(server, [...flags, "--count", "1"]))).toEqual([1]);
});

test("prints the whole message as JSON, or the data alone", async ({ server }) => {
  await run(server, ["pub", "whole", '{"a":[1]}', "-s", "x", "-H", "h=1"]);

  const [message] = await rows(server, ["sub", "whole", "--until-end"]);
  const data = await run(server, ["tail", "whole", "--until-end", "--data"]);

  expect(message).toEqual({
    sequence: 1,
    publishedAt: expect.any(Number),
    subject: "x",
    data: { a: [1] },
    headers: { h: "1" },
  });
  expect(data.stdout).toBe('{"a":[1]}\n');
});

test("tail begins with the last ten messages", async ({ server }) => {
  await run(server, ["pub", "tailed"], { input: Array.from({ length: 30 }, (_, index) => `${index}\n`).join("") });

  expect(sequencesOf(await rows<Message>(server, ["tail", "tailed", "--count", "10"]))).toEqual(
    Array.from({ length: 10 }, (_, index) => index + 21),
  );
});

test("follows until Ctrl-C, over a connection that is lost, of which it tells on stderr", async ({ server }) => {
  await using proxy = await Proxy.to(server.url);
  await using running = new Running({ url: proxy.url, apiKey: server.apiKey }, ["sub", "followed"]);
  await run(server, ["pub", "followed", "1"]);
  await running.until(({ stdout }) => stdout.includes('"sequence":1,'), "the first message");

  proxy.connections.forEach((connection) => connection.cut());
  await running.until(({ stderr }) => stderr.includes("connected again"), "another connection");
  await run(server, ["pub", "followed", "2"]);
  await running.until(({ stdout }) => stdout.includes('"sequence":2,'), "the second message");
  running.signal("SIGINT");
  const { code, stdout, stderr } = await running.untilEnded();

  expect(code).toBe(130);
  expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(stderr).toMatch(/^the connection is lost \(.*\), next attempt in .* s\nconnected again\n$/);
});

test("tells sequences that are not there on stderr", async ({ server }) => {
  await run(server, ["pub", "gaps", "1", "2", "3"]);
  await run(server, ["trim", "gaps", "--through", "2", "--yes"]);

  const followed = await run(server, ["sub", "gaps", "--from", "1", "--count", "1"]);
  const read = await run(server, ["sub", "gaps", "--from", "1", "--until-end"]);

  expect([followed.code, read.code]).toEqual([0, 0]);
  expect([followed.stderr, read.stderr]).toEqual(["gap: 1 to 2 skipped\n", "gap: 1 to 2 skipped\n"]);
});

test("ends quietly when nobody reads it any more", async ({ server }) => {
  await run(server, ["pub", "head"], { input: "1\n".repeat(20_000) });
  await using running = new Running(server, ["sub", "head"]);
  await running.until(({ stdout }) => stdout.length > 0, "a message");

  running.leave();
  const { code, stderr } = await running.untilEnded();

  expect([code, stderr]).toEqual([0, ""]);
});

test("escapes what a terminal would act on", async ({ server }) => {
  const hostile = ["\u001b[31mred", "\u009b5m", "\u202eabc", "a\nb\rc", "\u0007\u007f"];
  await run(server, ["pub", "hostile"], {
    input: hostile.map((text) => `${JSON.stringify({ [text]: text })}\n`).join(""),
  });
  await run(server, ["pub", "hostile", JSON.stringify(hostile.join(""))]);

  const { stdout } = await run(server, ["sub", "hostile", "--until-end", "--human"]);

  expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
  expect(stdout.split("\n")).toHaveLength(hostile.length + 2);
  expect(stdout).toContain(String.raw`\u001b[31mred\u009b5m\u202eabca\u000ab\u000dc\u0007\u007f`);
});

test("reads no stream that does not exist until its end, and makes none", async ({ server }) => {
  const { code, stderr } = await run(server, ["sub", "nothing", "--until-end"]);

  expect([code, stderr]).toEqual([1, expect.stringMatching(/^NotFound: .*\n$/)]);
  expect((await run(server, ["info", "nothing"])).code).toBe(1);
});
