/**
 * Long streams, with each call that could be long and a publisher beside it: what the publisher waits is told, and not
 * asserted, as machines differ. `hold.ts` prints the same of any size.
 */
import { expect } from "vitest";

import { test as base } from "../../server/fixtures.ts";

import { lineOf, measureHolds, mebibytes, MILLION } from "./holds.ts";

const test = base.extend({ options: { vars: { MAX_STREAM_BYTES: "4000000000" } } });

test.for([
  ["1 million small messages", MILLION],
  ["1 GiB", mebibytes(1_024)],
] as const)("a stream of %s answers a publisher beside every call", { timeout: 600_000 }, async (given, { server }) => {
  const [name, length] = given;
  const published = await measureHolds(server, length, (held) => {
    process.stdout.write(`${name}: ${lineOf(held)}\n`);
    expect(held.beside.count).toBeGreaterThan(0);
  });

  // Nothing was lost or stored twice, and the stream that was made anew begins at 1.
  const epochs = [...new Set(published.map(({ epoch }) => epoch))];
  expect(epochs.length).toBe(2);
  for (const epoch of epochs) {
    const sequences = published.filter((one) => one.epoch === epoch).map(({ sequence }) => sequence);
    expect(sequences.every((sequence, index) => index === 0 || sequence > (sequences[index - 1] ?? 0))).toBe(true);
  }
  const anew = published.filter(({ epoch }) => epoch === epochs[1]);
  expect(anew.map(({ sequence }) => sequence)).toEqual(anew.map((_one, index) => index + 1));
});
