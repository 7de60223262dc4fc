import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect } from "vitest";

import { test } from "./server/fixtures.ts";

const root = join(import.meta.dirname, "../..");

async function tokenKey(args: readonly string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, "scripts/token-key.ts"), ...args]);
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

test("puts a new key in front of those of now", async ({ data }) => {
  const file = join(data, "keys.json");
  const before = await tokenKey([]);
  await writeFile(file, before.output);

  const { output } = await tokenKey(["--alg", "ES256", "--before", file]);

  const { keys } = JSON.parse(output) as { keys: object[] };
  expect(keys).toEqual([expect.objectContaining({ alg: "ES256" }), ...JSON.parse(before.output).keys]);
});

test("refuses keys that it can not read, in one line", async ({ data }) => {
  const broken = join(data, "broken.json");
  await writeFile(broken, '{"keys":"secret');
  const remedy = "it takes the file with the keys of now, or is left out for the first";

  const refused = await Promise.all([
    tokenKey(["--before", join(data, "none")]),
    tokenKey(["--before", data]),
    tokenKey(["--before", broken]),
  ]);

  expect(refused).toEqual([
    { code: 1, output: `--before names ${join(data, "none")}, which is not there: ${remedy}\n` },
    { code: 1, output: `--before names ${data}, which is a folder: ${remedy}\n` },
    { code: 1, output: '--before is a file with a JWKS: {"keys":[…]}\n' },
  ]);
});
