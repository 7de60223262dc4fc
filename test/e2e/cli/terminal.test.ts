import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { PROGRAM, run, Running } from "./command-line.ts";
import type { RunOptions } from "./command-line.ts";
import { folderOf } from "./folder.ts";
import type { Target } from "../server/client.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });

/** `script` of util-linux, which gives a command a pseudo-terminal; that of BSD has no such flag. */
const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

/** A command on a terminal of its own: all that the terminal gets is its stdout. */
function onTerminal(target: Target, args: readonly string[], env: RunOptions["env"] = {}): Running {
  const line = [...PROGRAM, ...args].map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
  return new Running(target, ["-qec", line, "/dev/null"], { SHELL: "/bin/sh", ...env }, ["script"]);
}

test("shows lines and tables on a terminal, with colours unless NO_COLOR is set", async ({ server, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  await run(server, ["pub", "shown", '{"a":1}', "-s", "x.y"]);

  await using colored = onTerminal(server, ["sub", "shown", "--until-end"]);
  await using plain = onTerminal(server, ["sub", "shown", "--until-end"], { NO_COLOR: "1" });
  await using json = onTerminal(server, ["sub", "shown", "--until-end", "--json"]);

  const styled = (await colored.untilEnded()).stdout.replaceAll("\u001b", "ESC");
  expect(styled).toMatch(/^ESC\[1m1ESC\[22m {2}ESC\[2m[-\d]+ [:.\d]+ESC\[22m {2}x\.y {2}\{"a":1\}\r\n$/);
  expect((await plain.untilEnded()).stdout).toMatch(/^1 {2}[-\d]+ [:.\d]+ {2}x\.y {2}\{"a":1\}\r\n$/);
  expect(JSON.parse((await json.untilEnded()).stdout)).toMatchObject({ sequence: 1, data: { a: 1 } });
});

test("writes nothing on a terminal that it would act on, also as JSON", async ({ server, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  await run(server, ["pub", "hostile"], { input: `${JSON.stringify({ a: "\u001b]0;t\u0007\u009b1m\u202e" })}\n` });

  for (const flag of ["--human", "--json"]) {
    await using running = onTerminal(server, ["sub", "hostile", "--until-end", flag], { NO_COLOR: "1" });
    const { stdout } = await running.untilEnded();
    expect(stdout).toContain(String.raw`{"a":"\u001b]0;t\u0007\u009b1m\u202e"}`);
    expect(stdout).not.toMatch(/(?![\r\n])[\p{Cc}\p{Cf}]/u);
  }
});

test("asks before it deletes", async ({ server, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  await run(server, ["pub", "asked", "1"]);
  const answering = async (answer: string) => {
    await using running = onTerminal(server, ["rm", "asked"], { NO_COLOR: "1" });
    await running.until(({ stdout }) => stdout.includes("[y/N]"), "a question");
    running.write(`${answer}\n`);
    return await running.untilEnded();
  };

  const no = await answering("no");
  const kept = await run(server, ["info", "asked"]);
  const yes = await answering("y");

  expect([no.code, kept.code, yes.code]).toEqual([2, 0, 0]);
  expect(no.stdout).toContain("Delete asked with 1 messages and 0 consumers?");
  expect((await run(server, ["info", "asked"])).code).toBe(1);
});

test("takes messages that are typed, and shows their sequences", async ({ server, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  await using running = onTerminal(server, ["pub", "typed", "--text"], { NO_COLOR: "1" });
  await running.until(({ stdout }) => stdout.includes("Ctrl-D ends"), "that it reads");

  running.write("tea\n");
  await running.until(({ stdout }) => /^1\r$/m.test(stdout), "the first sequence");
  running.write("\u0004");
  const { code } = await running.untilEnded();

  expect(code).toBe(0);
  expect((await run(server, ["sub", "typed", "--until-end", "--data"])).stdout).toBe('"tea"\n');
});

test("ends by Ctrl-C with 130", async ({ server, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  await run(server, ["pub", "left", "1"]);
  await using running = onTerminal(server, ["tail", "left"], { NO_COLOR: "1" });
  await running.until(({ stdout }) => stdout.includes("1  20"), "a message");

  running.write("\u0003");

  expect((await running.untilEnded()).code).toBe(130);
});

test("asks for the key of a context and does not show it", async ({ server, folder, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  const env = { XDG_CONFIG_HOME: folder, NO_COLOR: "1", DURABLE_STREAM_TOKEN: "" };
  await using running = onTerminal(server, ["context", "add", "x", "--url", "http://127.0.0.1:1"], env);
  await running.until(({ stdout }) => stdout.includes("Key: "), "a question");

  running.write("typed-key\n");
  const { code, stdout } = await running.untilEnded();

  expect(code).toBe(0);
  expect(stdout).not.toContain("typed-key");
  expect(await readFile(join(folder, "durable-stream/contexts.json"), "utf8")).toContain('"typed-key"');
});

test("shows how far a large object is", async ({ server, skip }) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  await run(server, ["object", "put", "large"], { input: new Uint8Array(2_000_000) });

  await using running = onTerminal(server, ["object", "get", "large", "/dev/null"], { NO_COLOR: "1" });
  const { stdout } = await running.untilEnded();

  expect(stdout.replaceAll("\u001b", "ESC")).toMatch(/\rESC\[K\d+ % {2}[.\d]+ .iB of 1\.9 MiB/);
});
