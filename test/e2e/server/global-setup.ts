import { execFile } from "node:child_process";
import { glob, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import type { TestProject } from "vitest/node";

import { builtWorker } from "../../../scripts/server/build.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of the built Worker, for `new Server`. */
    worker: string;
  }
}

const root = join(import.meta.dirname, "../../..");

/** Builds the Worker and the package once for all tests of a run, unless they are built. */
export default async function setup(project: TestProject): Promise<void> {
  const provide = async () => project.provide("worker", await builtWorker());
  project.onTestsRerun(provide);
  await Promise.all([provide(), builtPackage()]);
}

/** Several tests use `dist/rpc`, at the same time: a build begins by deleting it. */
async function builtPackage(): Promise<void> {
  const times: number[] = [];
  for await (const path of glob(["rpc/**/*", "package.json", "scripts/build-cli.ts"], { cwd: root })) {
    times.push((await stat(join(root, path))).mtimeMs);
  }
  // Made last.
  const made = await stat(join(root, "dist/rpc/cli/durable-stream.cjs")).catch(() => undefined);
  if (made === undefined || made.mtimeMs < Math.max(...times)) {
    await promisify(execFile)("npm", ["run", "build:package"], { cwd: root });
  }
}
