import type { TestProject } from "vitest/node";

import { builtWorker } from "../../../scripts/server/build.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of the built Worker, for `new Server`. */
    worker: string;
  }
}

/** Builds the Worker once for all tests of a run, unless it is built. */
export default async function setup(project: TestProject): Promise<void> {
  const provide = async () => project.provide("worker", await builtWorker());
  project.onTestsRerun(provide);
  await provide();
}
