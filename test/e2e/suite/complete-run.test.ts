import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const VITEST = join(root, "node_modules/vitest/vitest.mjs");

type Run = { code: unknown; output: string; errors: string };

async function runVitest(folder: string, env: Record<string, string> = {}): Promise<Run> {
  const config = join("test/e2e/suite", folder, "vitest.config.ts");
  const run = spawn(process.execPath, [VITEST, "run", "--config", config, "--reporter=tap-flat"], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [[code], output, errors] = await Promise.all([once(run, "close"), text(run.stdout), text(run.stderr)]);
  return { code, output, errors };
}

/** Runs two test files, where these calls of the second one's worker are lost on their way. */
function runWithout(lost: readonly string[]): Promise<Run> {
  return runVitest("lost-results", { LOST: lost.join(",") });
}

describe("a run of the tests", () => {
  it("passes when each test of each file has told how it ended", async () => {
    expect(await runWithout([])).toMatchObject({ code: 0, errors: "" });
  });

  it.each([
    ["was never heard of", ["onQueued", "onCollected", "onTaskUpdate"], "it was never begun"],
    ["did not end", ["onTaskUpdate"], "it did not end (pending)"],
  ])("fails with the name of a file that %s, whatever its reporters", async (_fault, lost, reason) => {
    const { code, errors } = await runWithout(lost);

    expect(code).toBe(1);
    expect(errors).toContain(`lost.ts: ${reason}`);
    expect(errors).not.toContain("told.ts");
  });

  it("tells failures in workerd whose text has half a surrogate pair in it", async () => {
    const { code, output, errors } = await runVitest("half-pairs");

    expect({ code, errors }).toEqual({ code: 1, errors: "" });
    expect(output.match(/^not ok/gm)).toHaveLength(2);
    expect(output).toContain(String.raw`thrown \ud83d`);
  });
});
