import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { TestProject } from "vitest/node";

import { buildWorker } from "./build-worker.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of the built Worker, for `new Server`. */
    worker: string;
  }
}

/** Builds the Worker once for all tests of a run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const worker = await mkdtemp(join(tmpdir(), "durable-stream-worker-"));
  await buildWorker(worker);
  project.onTestsRerun(() => buildWorker(worker));
  project.provide("worker", worker);
  return () => rm(worker, { recursive: true });
}
