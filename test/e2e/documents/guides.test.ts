import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { expect } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../../rpc/client.ts";

import { test } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";
import { markedBlock, root } from "./pages.ts";

/** Debian's packages belong to Debian's Python, which need not be the first on the path. */
const PYTHONS = ["/usr/bin/python3", "python3"];
const python = PYTHONS.find((command) => runs(command, "-c", "import json"));
const followingPython = PYTHONS.find((command) => runs(command, "-c", "import websockets"));
const go = ["go", "/usr/lib/go/bin/go"].find((command) => runs(command, "version"));

/** What each program stores and does, whatever its language. */
const ORDERS = ["stored 1", "stored 2", "stored 3", "packed tea", "packed milk", "packed sugar"];

/** Writes a program of a guide to a file. */
async function written(language: string, name: string, folder: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, markedBlock(`docs/guides/${language}.md`, `program: ${name}`));
  return path;
}

async function run(command: readonly string[], { url, apiKey }: Server, cwd: string): Promise<string[]> {
  const [program = "", ...args] = command;
  // The compiler of Go keeps what it has compiled in a folder below HOME, or says where not to.
  const env = { ...process.env, STREAM_URL: url, API_KEY: apiKey, GOCACHE: join(cwd, "go"), GO111MODULE: "off" };
  const { stdout } = await promisify(execFile)(program, args, { cwd, env, timeout: 55_000 });
  return stdout.trimEnd().split("\n");
}

test("the program for curl is answered as its comments say", async ({ server, data }) => {
  const program = await written("curl", "orders.sh", data);

  const lines = await run(["sh", program], server, data);

  const told = markedBlock("docs/guides/curl.md", "program: orders.sh")
    .split("\n")
    .flatMap((line) => / # (.*)$/.exec(line)?.slice(1) ?? [])
    .filter((comment) => !comment.startsWith("method,"))
    .map((comment) => comment.split("…").map((part) => part.trim()));
  expect(told.length).toBe(lines.length);
  for (const [index, parts] of told.entries()) {
    expect(parts.filter((part) => !lines[index]?.includes(part))).toEqual([]);
  }
});

test("the commands that check a deployed server do that, as they are", async ({ server, data }) => {
  const program = markedBlock("docs/guides/deploying.md", "program: check.sh")
    .replace(/^url=.*$/m, `url=${server.url}`)
    .replace(".env.production", join(data, "keys"));
  await writeFile(join(data, "keys"), `API_KEY=${server.apiKey}\nTOKEN_KEYS='{}'\n`);
  const env = { ...process.env, XDG_CONFIG_HOME: data };

  const { stdout } = await promisify(execFile)("sh", ["-euc", program], { cwd: root, env, timeout: 55_000 });

  expect(stdout).toMatch(/^\{"status":"ok"\}\n[^]*"data":"hello"/);
  await using client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket });
  expect(await client.listStreams()).toEqual({ streams: [] });
});

test.skipIf(python === undefined)(
  python === undefined ? "NOT RUN: no Python is installed here" : "the program in Python publishes and works",
  async ({ server, data }) => {
    const program = await written("python", "orders.py", data);

    expect(await run([python ?? "", program], server, data)).toEqual(ORDERS);
  },
);

test.skipIf(go === undefined)(
  go === undefined
    ? "NOT RUN: no Go is installed here, such as Debian's golang-go"
    : "the program in Go publishes and works",
  async ({ server, data }) => {
    const program = await written("go", "orders.go", data);

    expect(await run([go ?? "", "run", program], server, data)).toEqual(ORDERS);
    // Its producer goes on with the next number.
    expect((await run([go ?? "", "run", program], server, data)).slice(0, 3)).toEqual([
      "stored 4",
      "stored 5",
      "stored 6",
    ]);
  },
);

test.skipIf(followingPython === undefined)(
  followingPython === undefined
    ? "NOT RUN: Python's websockets is not installed here, such as Debian's python3-websockets"
    : "the follower in Python goes on after a restart of the server, and starts over with another stream of the name",
  async ({ server, data }) => {
    const program = await written("python", "follow.py", data);
    await using client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket });
    await client.publish({ stream: "orders", data: "one" });
    const env = { ...process.env, STREAM_URL: server.url, API_KEY: server.apiKey, PYTHONUNBUFFERED: "1" };
    const child = spawn(followingPython ?? "", [program], { env, stdio: ["ignore", "pipe", "inherit"] });
    const lines: string[] = [];
    createInterface(child.stdout).on("line", (line) => void (/^\d/.test(line) && lines.push(line)));

    await expect.poll(() => lines).toEqual(["1 one"]);
    await server.kill9();
    await server.start();
    await client.publish({ stream: "orders", data: "two" });
    await expect.poll(() => lines, { timeout: 40_000 }).toEqual(["1 one", "2 two"]);
    await client.deleteStream({ stream: "orders" });
    await client.publish({ stream: "orders", data: "anew" });
    await expect.poll(() => lines, { timeout: 40_000 }).toEqual(["1 one", "2 two", "1 anew"]);

    child.kill();
    await once(child, "exit");
  },
);

function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    // There is no such program, or not what it was asked for.
    return false;
  }
}
