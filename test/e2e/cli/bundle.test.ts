import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { nodeOf } from "../server/node-of.ts";
import { rows, Running } from "./command-line.ts";
import { folderOf } from "./folder.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });
const root = join(import.meta.dirname, "../../..");

/** The most that the file may be, so that growth is noticed. */
const MAX_BYTES = 320_000;

test.for([20, 24])("runs as the one file of the package on Node.js %d", async (major, { server, folder, skip }) => {
  const node = nodeOf(major);
  skip(node === undefined, `NOT RUN: no Node.js ${major} on the path`);
  await promisify(execFile)(process.execPath, [join(root, "scripts/build-cli.ts"), folder]);
  const program = [node ?? "", join(folder, "durable-stream.cjs")] as const;
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

  await using told = new Running(undefined, ["--version"], {}, program);
  await using published = new Running(server, ["pub", `node-${major}`, "1", "2"], {}, program);
  expect((await told.untilEnded()).stdout).toBe(`${version}\n`);
  expect((await published.untilEnded()).code).toBe(0);
  await using followed = new Running(server, ["sub", `node-${major}`, "--count", "2"], {}, program);
  const { code, stdout, stderr } = await followed.untilEnded();
  const lock = join(root, "package-lock.json");
  await using put = new Running(server, ["object", "put", `node-${major}`, lock], {}, program);

  // Nothing but its own words on stderr: no warning of the runtime.
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  expect((await put.untilEnded()).stderr).toBe("");
  expect((await stat(join(folder, "durable-stream.cjs"))).size).toBeLessThan(MAX_BYTES);
  expect(await readFile(join(folder, "LICENSES.txt"), "utf8")).toMatch(/^cli-table3\n/m);
  expect(await rows(server, ["sub", `node-${major}`, "--until-end"])).toHaveLength(2);
});
