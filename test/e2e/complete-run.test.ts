import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const VITEST = join(root, "node_modules/vitest/vitest.mjs");
const CONFIG = "test/e2e/lost-results/vitest.config.ts";

/** Runs two test files with Vitest, where these calls of the second one's worker are lost on their way. */
async function runWithout(lost: readonly string[]): Promise<{ code: unknown; output: string }> {
  const run = spawn(process.execPath, [VITEST, "run", "--config", CONFIG, "--reporter=tap"], {
    cwd: root,
    env: { ...process.env, LOST: lost.join(",") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [[code], output] = await Promise.all([once(run, "close"), text(run.stderr)]);
  return { code, output };
}

describe("a run of the tests", () => {
  it("passes when each test of each file has told how it ended", async () => {
    expect(await runWithout([])).toEqual({ code: 0, output: "" });
  });

  it.each([
    ["was never heard of", ["onQueued", "onCollected", "onTaskUpdate"], "it was never begun"],
    ["did not end", ["onTaskUpdate"], "it did not end (pending)"],
  ])("fails with the name of a file that %s, whatever its reporters", async (_fault, lost, reason) => {
    const { code, output } = await runWithout(lost);

    expect(code).toBe(1);
    expect(output).toContain(`lost.ts: ${reason}`);
    expect(output).not.toContain("told.ts");
  });
});
