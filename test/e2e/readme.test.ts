import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect } from "vitest";

import { test } from "./fixtures.ts";

const root = join(import.meta.dirname, "../..");

/** Each example by the comment above it, and what its own comments say it prints. */
const EXAMPLES: readonly [marker: string, lines: readonly string[]][] = [
  ["example", ["1 hello", "2 world"]],
  ["client example", ["1 tea", "packed tea"]],
];

test.for(EXAMPLES)("runs the %s of the README and sees what its comments say", async ([marker, lines], { server }) => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const example = new RegExp(`<!-- ${marker} -->\n+\`\`\`js\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1] ?? "";
  // Within the project, so that its imports are found; the package itself is not built here.
  const folder = await mkdtemp(join(root, "node_modules/.readme-"));
  const client = pathToFileURL(join(root, "rpc/client.ts")).href;
  await writeFile(join(folder, "example.mjs"), example.replace("durable-stream/client", client));

  const child = spawn(process.execPath, [join(folder, "example.mjs")], {
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
  await rm(folder, { recursive: true });

  // Two subscriptions print in any order.
  expect(output.trim().split("\n").toSorted()).toEqual(lines);
});
