import { spawnSync } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

import { expect } from "vitest";

import { PROGRAM, Running } from "../cli/command-line.ts";
import type { Client } from "../server/client.ts";
import { test } from "../server/fixtures.ts";

const root = join(import.meta.dirname, "../../..");

/** `script` of util-linux, which gives a command a pseudo-terminal; that of BSD has no such flag. */
const hasScript = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

/** A command of the recording, and what a terminal shows of it. */
type Step = { readonly command: string; readonly shown: string[] };

/** The block of README.md, a step for each line that begins with a prompt. */
async function recording(): Promise<Step[]> {
  const text = await readFile(join(root, "README.md"), "utf8");
  const [, block = ""] = /```console\n([\s\S]*?)```/.exec(text) ?? [];
  const steps: Step[] = [];
  for (const line of block.trimEnd().split("\n")) {
    if (line.startsWith("$ ")) {
      steps.push({ command: line.slice(2), shown: [] });
    } else {
      steps.at(-1)?.shown.push(line);
    }
  }
  return steps;
}

/** What differs from run to run: times, how long something took, and the random name of a life of a stream. */
function normalised(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/g, "TIME")
      .replaceAll(/in [\d.]+ s, [\d,]+\/s/g, "in SECONDS, RATE")
      .replace(/^(epoch +)\S+$/, "$1EPOCH")
      .replace(/(TIME +)\S{8,}$/, "$1EPOCH"),
  );
}

test("README.md's recording of the command line shows what a terminal shows, step by step", async ({
  server,
  connect,
  data,
  skip,
}) => {
  skip(!hasScript, "NOT RUN: no script of util-linux");
  const home = join(data, "home");
  const programs = join(home, "bin");
  await mkdir(programs, { recursive: true });
  const program = join(programs, "durable-stream");
  await writeFile(program, `#!/bin/sh\nexec ${PROGRAM.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  await chmod(program, 0o755);
  await writeFile(join(home, "key.txt"), `${server.apiKey}\n`);
  const env = {
    HOME: home,
    NO_COLOR: "1",
    PATH: [programs, process.env["PATH"]].join(delimiter),
    SHELL: "/bin/sh",
    XDG_CONFIG_HOME: join(home, ".config"),
  };
  const steps = await recording();
  const client = await connect();

  const replayed: Step[] = [];
  for (const { command, shown } of steps) {
    const line = `cd ${home} && ${command.replaceAll("http://127.0.0.1:8787", server.url)}`;
    await using running = new Running(undefined, ["-qec", line, "/dev/null"], env, ["script"]);
    const interruption = shown.findIndex((each) => each.startsWith("^C"));
    if (interruption >= 0) {
      await running.until(
        ({ stdout }) => stdout.split("\n").length > interruption,
        `the lines before ^C of ${command}`,
      );
      // What a command has written is seen before it has ended, and what it did is acked then.
      await expect.poll(() => unacked(client)).toBe(0);
      running.write("\u0003");
    }
    const { stdout } = await running.untilEnded();
    const lines = stdout.replaceAll("\r", "").replaceAll(home, "~").trimEnd().split("\n");
    replayed.push({ command, shown: stdout.trim() === "" ? [] : lines });
  }

  expect(steps.length).toBeGreaterThanOrEqual(8);
  expect(replayed.map(({ command, shown }) => [`$ ${command}`, ...normalised(shown)])).toEqual(
    steps.map(({ command, shown }) => [`$ ${command}`, ...normalised(shown)]),
  );
});

/** Messages of the recording's stream that its consumers have still to ack. */
async function unacked(client: Client): Promise<number> {
  const { consumers } = await client.call("listConsumers", { stream: "orders" });
  return consumers.reduce((sum, { pending, inFlight }) => sum + pending + inFlight, 0);
}
