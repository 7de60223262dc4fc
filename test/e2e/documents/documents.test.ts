import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../../rpc/client.ts";

import { test } from "../server/fixtures.ts";
import { blocksOf, markedBlock, PAGES, programFolder, root, withOwnClient } from "./pages.ts";

/** Each example by the comment above it, and what its own comments say it prints. */
const EXAMPLES: readonly [page: string, marker: string, lines: readonly string[]][] = [
  ["README.md", "example", ["1 { item: 'tea' }"]],
  ["docs/guide.md", "client example", ["1 tea", "packed tea"]],
];

test.for(EXAMPLES)("runs in %s the %s, and sees what its comments say", async ([page, marker, lines], { server }) => {
  await using folder = await programFolder();
  const program = join(folder.path, "example.mjs");
  await writeFile(program, withOwnClient(markedBlock(page, marker)));

  const child = spawn(process.execPath, [program], {
    env: { ...process.env, API_KEY: server.apiKey, STREAM_URL: `${server.url.replace("http", "ws")}/rpc` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.split("\n").length > lines.length) {
      break;
    }
  }
  child.kill();

  // Two subscriptions print in any order.
  expect(output.trim().split("\n").toSorted()).toEqual(lines);
});

test("has in README.md two frames that any client may send", async ({ server }) => {
  const [frames = ""] = blocksOf("README.md", "json");
  const ws = new WebSocket(`${server.url.replace("http", "ws")}/rpc`, {
    headers: { Authorization: `Bearer ${server.apiKey}` },
  });
  await once(ws, "open");
  const received: { id?: number; result?: unknown; method?: string; params?: { messages: unknown[] } }[] = [];
  const messages = Promise.withResolvers<void>();
  ws.on("message", (data: Buffer) => {
    received.push(JSON.parse(data.toString()));
    if (received.at(-1)?.method === "messages") {
      messages.resolve();
    }
  });

  frames
    .trim()
    .split("\n")
    .forEach((frame) => ws.send(frame));
  await messages.promise;
  ws.close();

  expect(received).toMatchObject([
    { id: 1, result: { stream: "orders", sequence: 1 } },
    { id: 2, result: { subscription: 1 } },
    { method: "messages", params: { messages: [{ sequence: 1, data: { item: "tea" } }] } },
  ]);
});

test("has in docs/protocol.md frames that go as it says", async ({ connect }) => {
  const blocks = blocksOf("docs/protocol.md", "json");
  const sent = blocks
    .flatMap((block) => block.trim().split("\n"))
    .map((line): { method?: string; id?: number; params?: object } => JSON.parse(line.replaceAll("…", "")))
    .filter(({ method }) => method !== undefined && method !== "messages");
  const client = await connect();
  for (let count = 0; count < 50; count += 1) {
    await client.call("publish", { stream: "orders", data: count });
  }
  const { epoch } = await client.call("getStreamInfo", { stream: "orders" });

  const answers: unknown[] = [];
  for (const { method = "", id, params } of sent) {
    const own = { ...params, ...(method === "subscribe" ? { epoch } : {}) };
    answers.push(id === undefined ? client.notify(method as "ack", own as never) : await client.request(method, own));
  }

  expect(sent.map(({ method }) => method)).toEqual(["publish", "subscribe", "ack"]);
  expect(answers).toMatchObject([
    { result: { stream: "orders" } },
    { result: { subscription: 1, nextSequence: 42 } },
    undefined,
  ]);
});

test("has in docs/guide.md commands for curl that do what they say", async ({ server, data }) => {
  const commands = blocksOf("docs/guide.md", "sh").join("\n").replaceAll("http://127.0.0.1:8787", server.url);
  await using client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket });
  await client.publish({ stream: "jobs", data: "a job" });
  await writeFile(join(data, "snapshot.db"), "a snapshot");

  const options = { cwd: data, env: { ...process.env, API_KEY: server.apiKey } };
  const { stdout } = await promisify(execFile)("bash", ["-ec", commands], options);

  expect(stdout).toContain('"messages":[{"deliveryCount":1,"sequence":1,');
  const object = await client.getObject({ key: "snapshots/42.db" });
  // Not the type of a form, which curl gives what it posts.
  expect(object).toMatchObject({ data: "a snapshot", contentType: "application/octet-stream" });
});

describe("the pages", () => {
  it.each(PAGES)("%s links to what there is", async (page) => {
    const text = await readFile(join(root, page), "utf8");
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    const missing: string[] = [];

    for (const link of links.filter((each) => !/^https?:/.test(each))) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? join(root, page) : join(root, dirname(page), path);
      const found = await stat(target).catch(() => undefined);
      const headings = anchor === undefined || found?.isFile() !== true ? [] : await headingsOf(target);
      if (found === undefined || (anchor !== undefined && !headings.includes(anchor))) {
        missing.push(link);
      }
    }

    expect(missing).toEqual([]);
  });

  it.each(PAGES)("%s names files, tests and commands that there are", async (page) => {
    const text = await readFile(join(root, page), "utf8");
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(
      await readFile(join(root, "package.json"), "utf8"),
    );
    const paths = [...text.matchAll(/`((?:src|rpc|test|docs|scripts)\/[\w./-]*)`/g)].map(([, path = ""]) => path);
    const commands = [...text.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, script = ""]) => script);

    const areThere = await Promise.all(paths.map((path) => stat(join(root, path)).then(Boolean, () => false)));

    expect(paths.filter((_, index) => areThere[index] !== true)).toEqual([]);
    expect(commands.filter((script) => !(script in scripts))).toEqual([]);
  });
});

it("says of every program in TypeScript to run it by npx node, as the Node.js that is installed may not", async () => {
  const programs = globSync("{rpc,scripts,src,test}/**/*.ts", { cwd: root });
  const commands: string[] = [];

  for (const file of [...PAGES, ...programs]) {
    const text = await readFile(join(root, file), "utf8");
    const found = text.matchAll(/(?:[\w@]+ )?\bnode (?:--?\S+ )*[\w/-][\w./-]*\.ts\b/g);
    commands.push(...[...found].map(([command]) => `${file}: ${command}`));
  }

  expect(commands.length).toBeGreaterThan(10);
  expect(commands.filter((command) => !command.includes(": npx node "))).toEqual([]);
});

async function headingsOf(path: string): Promise<string[]> {
  const text = await readFile(path, "utf8");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
}
