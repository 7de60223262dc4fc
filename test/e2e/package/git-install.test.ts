import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { emptyProject } from "./project.ts";

const root = join(import.meta.dirname, "../../..");

/** npm clones it, installs all its tools and builds it: from half a minute to some minutes. */
const PATIENCE_MS = 600_000;

test("is installed from its git repository, which builds it", { timeout: PATIENCE_MS }, async ({ skip, annotate }) => {
  skip(!existsSync(join(root, ".git")), "NOT RUN: this is no clone");
  const project = await emptyProject();
  const run = (file: string, args: readonly string[]) => promisify(execFile)(file, args, { cwd: project });
  const startedAt = performance.now();

  // What is committed.
  await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", `git+file://${root}`]);
  await annotate(`npm install took ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);

  await writeFile(
    join(project, "use.mjs"),
    'import { DurableStream } from "durable-stream/client"; console.log(DurableStream.name);',
  );
  expect((await run(process.execPath, ["use.mjs"])).stdout).toBe("DurableStream\n");
  expect((await run("npx", ["durable-stream", "--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  await rm(project, { recursive: true });
});
