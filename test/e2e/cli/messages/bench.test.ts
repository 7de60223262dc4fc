import { expect } from "vitest";

import { sharingServer } from "../../server/fixtures.ts";
import { rows } from "../command-line.ts";

const test = sharingServer();

test("measures publishing and following", async ({ server }) => {
  const results = await rows<{ what: string; messages: number; perSecond: number }>(server, [
    "bench",
    "--messages",
    "1000",
    "--size",
    "64",
  ]);

  expect(results.map(({ what, messages }) => [what, messages])).toEqual([
    ["publish, one at a time", 300],
    ["publish, pipelined", 1_000],
    ["publish, batches of 500", 1_000],
    ["follow, from the first", 2_300],
    ["publish and follow, live", 1_000],
  ]);
  expect(results.every(({ perSecond }) => perSecond > 0)).toBe(true);
});
