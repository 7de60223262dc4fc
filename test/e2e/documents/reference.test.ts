import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, it } from "vitest";

import { METHODS } from "../../../rpc/index.ts";

const root = join(import.meta.dirname, "../../..");
const page = join(root, "docs/reference.md");

/** Runs the script and tells its exit code. */
async function reference(...flags: string[]): Promise<number> {
  try {
    await promisify(execFile)(process.execPath, [join(root, "scripts/reference.ts"), ...flags]);
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

it("has in docs/reference.md what the contract says", async () => {
  expect(await reference("--check")).toBe(0);
});

it("tells of every method what it takes, and of every param what it is", async () => {
  const text = await readFile(page, "utf8");

  expect(Object.keys(METHODS).filter((name) => !text.includes(`\n### ${name}\n`))).toEqual([]);
  const subscribe = text.slice(text.indexOf("\n### subscribe\n"), text.indexOf("\n### unsubscribe\n"));
  expect(subscribe).toMatch(/\| `maxInFlight` \? \| integer 1 to 10,000 \| [^|]*256 unless given/);
  expect(subscribe).toMatch(/\| `from` \? \| `"first"` or `"new"` or \{ sequence/);
});

it("finds a page that is not what the contract says, and writes it anew", async () => {
  const folder = await mkdtemp(join(tmpdir(), "durable-stream-reference-"));
  const copy = join(folder, "reference.md");
  await copyFile(page, copy);
  const right = await readFile(copy, "utf8");
  await writeFile(copy, right.replace(/^\| `stream` .*\n/m, ""));

  const stale = await reference("--check", copy);
  const written = await reference(copy);
  const now = await readFile(copy, "utf8");
  await rm(folder, { recursive: true });

  expect([stale, written]).toEqual([1, 0]);
  expect(now).toBe(right);
});
