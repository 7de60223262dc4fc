import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";
import { LogReader } from "../../../src/stream/consumers/delivery/log-reader.ts";
import { Log } from "../../../src/stream/log/log.ts";
import { connect } from "../../harness/client.ts";
import { range } from "../../harness/objects.ts";

/** What all readers of an isolate keep, and what one keeps. */
const MOST_BYTES = 8_388_608;
const MOST_PAGES = 8;

/** Runs with a log that has as many pages as a reader keeps, and one more, a row each; `starts` has where each begins. */
async function withLog<T>(stream: string, act: (log: Log, starts: number[]) => T): Promise<T> {
  const client = await connect();
  for (let count = 0; count <= MOST_PAGES; count += 1) {
    await client.call("publishBatch", { stream, messages: range(1, 12).map(() => ({ data: "d".repeat(10_000) })) });
  }
  return runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    const starts = storage.sql.exec<{ first: number }>("SELECT first_sequence AS first FROM batches").toArray();
    return act(
      new Log(storage.sql, undefined),
      starts.map(({ first }) => first),
    );
  });
}

/** Reads pages, and tells how much of the log had to be read for that. */
function bytesReadBy(reader: LogReader, starts: readonly number[]): number {
  const before = reader.bytesRead;
  starts.forEach((start) => reader.from(start, LIMITS.pageMessages));
  return reader.bytesRead - before;
}

it("keeps the pages that one reader used last, however long others were there", async () => {
  const [idle, again] = await withLog("pages-of-one", (log, starts) => {
    range(1, 100).forEach(() => bytesReadBy(new LogReader(log), starts));
    const reader = new LogReader(log);
    bytesReadBy(reader, starts);
    return [bytesReadBy(reader, starts.slice(1)), bytesReadBy(reader, starts)];
  });

  expect(idle).toBe(0);
  expect(again).toBeGreaterThan(0);
});

it("keeps no more for a hundred readers than an isolate has for all, and drops what was used longest ago", async () => {
  const { read, missed } = await withLog("pages-of-many", (log, all) => {
    const starts = all.slice(0, MOST_PAGES);
    const readers = range(1, 100).map(() => new LogReader(log));
    const bytes = readers.map((reader) => bytesReadBy(reader, starts));
    // Those that read last are asked first: what they read again can drop no page that is asked for later.
    const again = readers.toReversed().map((reader) => bytesReadBy(reader, starts.toReversed()));
    return { read: bytes, missed: again };
  });
  const kept = read.map((bytes, index) => bytes - (missed[index] ?? 0));
  const total = kept.reduce((sum, bytes) => sum + bytes, 0);

  expect(total).toBeLessThanOrEqual(MOST_BYTES);
  expect(total).toBeGreaterThan(MOST_BYTES / 2);
  expect(missed[0]).toBe(0);
  expect(missed.at(-1)).toBe(read.at(-1));
});

it("keeps a page that is used while others read many", async () => {
  const read = await withLog("page-in-use", (log, starts) => {
    const used = new LogReader(log);
    const ofUsed = () => bytesReadBy(used, starts.slice(0, 1));
    const first = ofUsed();
    const later = range(1, 100).map(() => {
      bytesReadBy(new LogReader(log), starts);
      return ofUsed();
    });
    return { first, later: Math.max(...later) };
  });

  expect(read.first).toBeGreaterThan(0);
  expect(read.later).toBe(0);
});

it("reads again what was deleted from a page that it had, and only that reader", async () => {
  const read = await withLog("pages-forgotten", (log, starts) => {
    const [one, other] = [new LogReader(log), new LogReader(log)];
    const ofBoth = () => [one, other].map((reader) => bytesReadBy(reader, starts.slice(0, 2)) > 0);
    const first = ofBoth();
    one.forget();
    return { first, after: ofBoth(), again: ofBoth() };
  });

  expect(read).toEqual({ first: [true, true], after: [true, false], again: [false, false] });
});
