import { expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { rows, run } from "./command-line.ts";

const test = sharingServer();

test("lists streams by name, all or those that begin with a prefix", async ({ server }) => {
  for (const stream of ["listed.b", "listed.a", "other"]) {
    await run(server, ["pub", stream, "1"]);
  }
  const names = async (...flags: string[]) =>
    (await rows<{ stream: string }>(server, ["ls", ...flags])).map(({ stream }) => stream);

  // A new stream is in it after a few seconds.
  await expect.poll(() => names(), { timeout: 30_000 }).toEqual(["listed.a", "listed.b", "other"]);
  expect(await names("listed.")).toEqual(["listed.a", "listed.b"]);
  expect(await names("--limit", "1")).toEqual(["listed.a"]);
  expect((await run(server, ["ls", "--human"])).stdout).toMatch(/^stream +created at +epoch\nlisted\.a +2/);
});
