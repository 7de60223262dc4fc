import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const script = join(root, "scripts/readme.ts");

/** Runs the script and tells its exit code. */
async function readme(...flags: string[]): Promise<number> {
  try {
    await promisify(execFile)(process.execPath, [script, ...flags]);
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

it("has in README.md the tables that the contract makes", async () => {
  expect(await readme("--check")).toBe(0);
});

describe("on a copy", () => {
  let folder: string;
  let copy: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "durable-stream-readme-"));
    copy = join(folder, "README.md");
    await copyFile(join(root, "README.md"), copy);
  });

  afterEach(() => rm(folder, { recursive: true }));

  it("finds a table that is not what the contract says, and writes it anew and nothing else", async () => {
    const right = await readFile(copy, "utf8");
    await writeFile(copy, right.replace(/^\| `publish` .*\n/m, ""));

    const stale = await readme("--check", copy);
    const written = await readme(copy);

    expect([stale, written]).toEqual([1, 0]);
    expect(await readFile(copy, "utf8")).toBe(right);
    expect(await readme("--check", copy)).toBe(0);
  });

  it("fails when a table has no place", async () => {
    const right = await readFile(copy, "utf8");
    await writeFile(copy, right.replace("<!-- /contract:errors -->", ""));

    expect(await readme(copy)).not.toBe(0);
  });
});
