/** README.md as somebody reads it who has just cloned the repository: each block is run, here or by the test that is named. */
import { execFile, spawn } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { describe, expect } from "vitest";

import { makeCheckout, NpmScript } from "../server/checkout.ts";
import { test } from "../server/fixtures.ts";
import { freePort } from "../server/free-port.ts";
import { nodeOf } from "../server/node-of.ts";

const root = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

/** How each block begins, and where it is run. */
const BLOCKS: readonly [language: string, begins: string, test: string][] = [
  ["sh", "npm install --install-links ", "test/e2e/package/install.test.ts"],
  ["js", "import { DurableStream } from ", "test/e2e/package/package.test.ts"],
  ["json", '{"jsonrpc":"2.0","id":1,', "test/e2e/documents/documents.test.ts"],
  ["sh", "npm ci\nnpm start ", "test/e2e/documents/readme.test.ts"],
  ["sh", "npm run wrangler -- login\nnpm run deploy ", "test/e2e/deploy.test.ts"],
  ["console", "$ durable-stream context add ", "test/e2e/documents/recording.test.ts"],
  ["js", 'import { createServer } from "node:http"', "test/e2e/documents/tokens.test.ts"],
  ["js", "import { DurableStream } from ", "test/e2e/documents/tokens.test.ts"],
];

/** What the first message may take from the end of `npm ci`. */
const FIRST_MESSAGE_MS = 60_000;

test("has no block that no test runs", async () => {
  const text = await readFile(join(root, "README.md"), "utf8");
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", block = ""]) => [
    language,
    block,
  ]);

  expect(blocks.map(([language]) => language)).toEqual(BLOCKS.map(([language]) => language));
  for (const [index, [, begins, file]] of BLOCKS.entries()) {
    expect(blocks[index]?.[1]?.slice(0, begins.length)).toBe(begins);
    expect((await stat(join(root, file))).isFile()).toBe(true);
  }
});

describe("a fresh clone", () => {
  test("is installed without a warning of an engine on each Node.js here that README.md names", async ({
    annotate,
    data,
  }) => {
    await makeCheckout(data);
    const lock = join(data, "package-lock.json");
    await writeFile(lock, await readFile(join(root, "package-lock.json")));
    const { stdout: npmRoot } = await run("npm", ["root", "--global"]);
    const npm = join(npmRoot.trim(), "npm/bin/npm-cli.js");
    const told: Record<number, string> = {};

    for (const major of [22, 24, 26]) {
      const node = nodeOf(major);
      if (node !== undefined) {
        const { stderr } = await run(node, [npm, "ci", "--dry-run", "--offline", "--ignore-scripts"], { cwd: data });
        told[major] = stderr;
      }
    }

    await annotate(`npm ci was looked at on Node.js ${Object.keys(told).join(", ")}`);
    expect(Object.keys(told)).not.toEqual([]);
    expect(Object.values(told).filter((stderr) => stderr.includes("EBADENGINE"))).toEqual([]);
  });

  test(`shows its first message within ${FIRST_MESSAGE_MS / 1_000} s of npm ci's end, by the example as it stands`, async ({
    annotate,
    data: checkout,
  }) => {
    await makeCheckout(checkout);
    // What `npm ci` does at its end.
    await run("npm", ["run", "prepare"], { cwd: checkout });
    const text = await readFile(join(root, "README.md"), "utf8");
    const [, example = ""] = /<!-- example -->\n+```js\n([\s\S]*?)```/.exec(text) ?? [];
    const [, command = ""] = /`(STREAM_URL=\S+ node \S+ first\.mjs)`/.exec(text) ?? [];
    const port = String(await freePort());
    const startedAt = performance.now();

    await using started = new NpmScript(checkout, "start", ["--port", port]);
    await started.untilOutput(/Durable Stream listens on/);
    await writeFile(join(checkout, "first.mjs"), example);
    const shown = await firstLineOf(command.replace("8787", port), checkout);
    const tookMs = performance.now() - startedAt;

    await annotate(`the first message came ${(tookMs / 1_000).toFixed(1)} s after npm ci`);
    process.stdout.write(`the first message came ${(tookMs / 1_000).toFixed(1)} s after npm ci\n`);
    expect(shown).toBe("1 { item: 'tea' }");
    expect(tookMs).toBeLessThan(FIRST_MESSAGE_MS);
    started.interrupt();
    await started.untilGroupIsGone();
  });
});

/** The first line that a command shows, which would go on after that. */
async function firstLineOf(command: string, cwd: string): Promise<string | undefined> {
  const folder = dirname(nodeOf(24) ?? process.execPath);
  const env = { PATH: [folder, process.env["PATH"]].join(delimiter) };
  const child = spawn("sh", ["-c", `exec env ${command}`], { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      return line;
    }
    return undefined;
  } finally {
    child.kill();
  }
}
