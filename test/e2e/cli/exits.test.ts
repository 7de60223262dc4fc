import { join } from "node:path";

import type { Command } from "commander";
import { expect } from "vitest";

import { Cli } from "../../../rpc/cli/cli.ts";
import { programOf } from "../../../rpc/cli/program.ts";

import type { Target } from "../server/client.ts";
import { test as base } from "../server/fixtures.ts";
import { PROGRAM, run, Running } from "./command-line.ts";
import { folderOf } from "./folder.ts";

const test = base.extend<{ folder: string }>({ folder: folderOf });

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
  const expected = await filled(server);
  const late = 'exec 3<&0; "$@" </dev/null | { read -r _ <&3; cat; }';
  await using running = new Running(server, ["export", "slow"], {}, ["/bin/sh", "-c", late, "sh", ...PROGRAM]);

  await untilWritten(server, running);
  running.write("\n");
  const { stdout } = await running.untilEnded();

  expect(stdout).toBe(expected);
});

test("ends by a signal when it only waits for the reader of its output", async ({ server, folder }) => {
  await filled(server);
  const fifo = join(folder, "unread");
  // Open for both ends, so that it is neither waited for nor read.
  const unread = 'mkfifo "$0" && exec "$@" 1<>"$0"';
  await using running = new Running(server, ["export", "slow"], {}, ["/bin/sh", "-c", unread, fifo, ...PROGRAM]);

  await untilWritten(server, running);
  running.signal("SIGTERM");

  expect((await running.untilEnded()).code).toBe(143);
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

/**
 * Fills the stream `slow`, and returns what `export` writes of it: more than a pipe takes, by less than what Node.js says of
 * that it should be waited for (64 KiB each).
 */
async function filled(server: Target): Promise<string> {
  const input = Array.from({ length: 1_000 }, (_, index) => `${JSON.stringify(`${index}`.padEnd(60))}\n`).join("");
  await run(server, ["pub", "slow"], { input });
  const { stdout } = await run(server, ["export", "slow"]);
  expect(stdout.length).toBeGreaterThan(65_536);
  expect(stdout.length).toBeLessThan(2 * 65_536);
  return stdout;
}

/** Waits until an export of `slow` has nothing left to do but to be read; by then it would have ended, if it did not wait. */
async function untilWritten(server: Target, running: Running): Promise<void> {
  await running.until(({ stderr }) => stderr.includes("exported 1,000 messages"), "its end");
  await run(server, ["info", "slow"]);
}
