import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import type { ObjectInfo } from "../../../rpc/index.ts";
import { sharingServer } from "../server/fixtures.ts";
import { rows, run } from "./command-line.ts";
import { folderOf } from "./folder.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });

test.for([0, 1_000, 3_000_000])(
  "puts and gets a file of %d bytes, and the same from a pipe",
  async (size, { server, folder }) => {
    const bytes = randomBytes(size);
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    await writeFile(from, bytes);

    const [info] = await rows<ObjectInfo>(server, [
      "object",
      "put",
      `file-${size}`,
      from,
      "--type",
      "x/y",
      "--meta",
      "a=b",
    ]);
    const piped = await run(server, ["object", "put", `pipe-${size}`], { input: bytes });
    const got = await run(server, ["object", "get", `file-${size}`, to]);
    await run(server, ["object", "get", `pipe-${size}`, join(folder, "piped")]);

    expect(info).toMatchObject({ size, contentType: "x/y", metadata: { a: "b" } });
    expect([piped.code, got.code]).toEqual([0, 0]);
    expect((await readFile(to)).equals(bytes)).toBe(true);
    expect((await readFile(join(folder, "piped"))).equals(bytes)).toBe(true);
    expect((await readdir(folder)).toSorted()).toEqual(["from", "piped", "to"]);
  },
);

test("writes an object to a pipe", async ({ server }) => {
  await run(server, ["object", "put", "text"], { input: "tea\n" });

  expect(await run(server, ["object", "get", "text"])).toMatchObject({ code: 0, stdout: "tea\n" });
});

test("lists by prefix and by folder, and deletes", async ({ server }) => {
  for (const key of ["list/a/1", "list/a/2", "list/b"]) {
    await run(server, ["object", "put", key], { input: key });
  }

  const keys = async (...flags: string[]) =>
    (await rows<ObjectInfo>(server, ["object", "ls", ...flags])).map(({ key }) => key);
  expect(await keys("list/a/")).toEqual(["list/a/1", "list/a/2"]);
  expect(await keys("list/", "--delimiter", "/")).toEqual(["list/a/", "list/b"]);
  expect(await keys("list/", "--limit", "1")).toEqual(["list/a/1"]);
  expect((await run(server, ["object", "ls", "list/", "--human"])).stdout).toMatch(/^key +size .*\nlist\/a\/1 +8 B /);
  expect((await run(server, ["object", "rm", "list/a/1", "list/b"])).code).toBe(2);
  expect((await run(server, ["object", "rm", "list/a/1", "list/b", "--yes"])).code).toBe(0);
  expect(await keys("list/")).toEqual(["list/a/2"]);
});

test("puts on conditions, and tells what is not there", async ({ server, folder }) => {
  const first = await run(server, ["object", "put", "once", "--if-none-match"], { input: "1" });
  const second = await run(server, ["object", "put", "once", "--if-none-match"], { input: "2" });
  const missing = await run(server, ["object", "get", "nothing", join(folder, "nothing")]);
  const unread = await run(server, ["object", "put", "k", join(folder, "none")]);

  expect([first, second, missing, unread].map(({ code }) => code)).toEqual([0, 1, 1, 4]);
  expect(second.stderr).toMatch(/^Conflict: /);
  expect(missing.stderr).toMatch(/^NotFound: /);
  expect(await readdir(folder)).toEqual([]);
});
