import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import { test } from "./fixtures.ts";

const root = join(import.meta.dirname, "../..");

test("runs the client example of the README and sees what its comments say", async ({ server }) => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const example = /<!-- example -->\n+```js\n([\s\S]*?)```/.exec(readme)?.[1];
  // Within the project, so that its imports are found.
  const folder = await mkdtemp(join(root, "node_modules/.readme-"));
  await writeFile(join(folder, "example.mjs"), example ?? "");

  const child = spawn(process.execPath, [join(folder, "example.mjs")], {
    env: { ...process.env, API_KEY: server.apiKey, STREAM_URL: `${server.url.replace("http", "ws")}/rpc` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.split("\n").length > 2) {
      break;
    }
  }
  child.kill();
  await rm(folder, { recursive: true });

  expect(output).toBe("1 hello\n2 world\n");
});
