import type { Command } from "commander";
import { expect } from "vitest";

import { Cli } from "../../../rpc/cli/cli.ts";
import { programOf } from "../../../rpc/cli/program.ts";

import { test } from "../server/fixtures.ts";
import { PROGRAM, run, Running } from "./command-line.ts";

test("says by its exit code and one line on stderr what failed", async ({ server }) => {
  const nowhere = { url: "http://127.0.0.1:1", apiKey: "k" };
  const attempts = [
    [await run(server, ["info", "nothing"]), 1, /^NotFound: [^\n]*\n$/],
    [await run({ url: server.url, apiKey: "wrong" }, ["info"]), 1, /^Unauthenticated: [^\n]*\n$/],
    [await run(server, ["sub", ".bad", "--until-end"]), 1, /^InvalidParams: [^\n]*\n$/],
    [await run(server, ["publ"]), 2, /^unknown command 'publ'[^\n]*\n$/],
    [await run(server, ["info", "--nothing"]), 2, /^unknown option '--nothing'[^\n]*\n$/],
    [
      await run(server, ["sub", "s", "--from", "latest"]),
      2,
      /^option '--from <start>' argument 'latest' is invalid[^\n]*\n$/,
    ],
    [await run(server, ["trim", "s", "--through", "-1"]), 2, /^[^\n]+\n$/],
    [await run(server, ["info", "\u001b[31m", "x"]), 2, /^[^\n\p{Cc}]+\n$/u],
    [await run(undefined, ["info"], { env: { DURABLE_STREAM_URL: "localhost:8787" } }), 2, /no URL of a server/],
    [await run(nowhere, ["info"]), 3, /^no connection: [^\n]*ECONNREFUSED[^\n]*\n$/],
    [await run(nowhere, ["sub", "s"]), 3, /^no connection: [^\n]*\n$/],
    [await run(nowhere, ["object", "put", "k"], { input: "x" }), 3, /^no connection: [^\n]*\n$/],
  ] as const;

  for (const [{ code, stdout, stderr }, expected, line] of attempts) {
    expect([code, stdout, stderr]).toEqual([expected, "", expect.stringMatching(line)]);
  }
});

test("ends at once when it is interrupted while it waits for nothing of its own", async ({ server }) => {
  await using running = new Running(server, ["state", "put", "s"]);
  await running.until(() => true, "its start");

  // Its standard input stays open, so it waits; a signal that comes before it listens ends it by itself.
  running.signal("SIGTERM");
  const { code } = await running.untilEnded();

  expect([143, null]).toContain(code);
});

test("ends only when the reader of its output has all of it", async ({ server }) => {
  const input = Array.from({ length: 1_000 }, (_, index) => `${JSON.stringify(`${index}`.padEnd(60))}\n`).join("");
  await run(server, ["pub", "slow"], { input });
  const expected = (await run(server, ["export", "slow"])).stdout;
  // More than a pipe takes, by less than what Node.js says of that it should be waited for.
  expect(expected.length).toBeGreaterThan(65_536);
  expect(expected.length).toBeLessThan(2 * 65_536);
  const reader: typeof PROGRAM = [
    "/bin/sh",
    "-c",
    'exec 3<&0; "$@" </dev/null | { read -r _ <&3; cat; }',
    "sh",
    ...PROGRAM,
  ];
  await using running = new Running(server, ["export", "slow"], {}, reader);

  await running.until(({ stderr }) => stderr.includes("exported 1,000 messages"), "its end");
  // By then it would have ended, if it did not wait.
  await run(server, ["info", "slow"]);
  running.write("\n");
  const { stdout } = await running.untilEnded();

  expect(stdout).toBe(expected);
});

test("has a help with examples for every command, and tells exit codes and where the key comes from", async () => {
  const root = await run(undefined, ["--help"]);
  expect(root.code).toBe(0);
  expect(root.stdout).toContain("DURABLE_STREAM_TOKEN");
  expect(root.stdout).toMatch(/Exit codes:\n +0 /);

  const helps = [...helpsOf(programOf(new Cli(process)))];
  expect(helps.length).toBeGreaterThan(25);
  for (const [name, help] of helps) {
    expect(help).toContain(`Examples:\n  $ ${name} `.trimEnd());
  }
});

/** The help of each command that can be run, by its name with that of its group. */
function* helpsOf(command: Command, outer = ""): Generator<[name: string, help: string], void, void> {
  const name = `${outer}${command.name()}`;
  for (const inner of command.commands) {
    yield* helpsOf(inner, `${name} `);
  }
  if (command.commands.length === 0) {
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    yield [name, help];
  }
}
