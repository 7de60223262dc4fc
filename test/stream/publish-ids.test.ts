import { env } from "cloudflare:workers";
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { digestOf } from "../../src/stream/id-digest.ts";
import type { PublishCall, PublishReply } from "../../src/internal/calls.ts";
import { evict, range } from "../harness/objects.ts";
import { watchStatements } from "../harness/statements.ts";

const WINDOW_MS = 1_000;
const START_MS = 1_800_000_000_000;

afterEach(() => {
  vi.useRealTimers();
});

/** Publishes one message for each id, in one call, as a gateway does. */
async function publish(stream: string, ids: readonly string[]): Promise<PublishReply> {
  const bodies = ids.map(() => '"data":1}');
  const bytes = bodies.map(({ length }) => length);
  const call: PublishCall = { stream, bodies, bytes, counts: ids.map(() => 1), ids: [...ids] };
  return env.STREAM.getByName(stream).publish(call);
}

async function newStream(stream: string, duplicateWindowMs: number): Promise<void> {
  vi.setSystemTime(START_MS);
  await env.STREAM.getByName(stream).configure({ stream, duplicateWindowMs, maxMessages: 1 });
}

/** What a stream has to know of ids: all that was published, and when. */
class Model {
  readonly #known = new Map<string, { sequence: number; publishedAt: number }>();
  #last = 0;

  /** The sequence of each id, and which of them are stored already. */
  publish(ids: readonly string[], nowMs: number): { sequences: number[]; duplicates: object[] } {
    const duplicates: object[] = [];
    const sequences = ids.map((id, request) => {
      const known = this.#known.get(id);
      if (known !== undefined && known.publishedAt >= nowMs - WINDOW_MS) {
        duplicates.push({ request, publishedAt: known.publishedAt, count: 1 });
        return known.sequence;
      }
      this.#last += 1;
      this.#known.set(id, { sequence: this.#last, publishedAt: nowMs });
      return this.#last;
    });
    return { sequences, duplicates };
  }
}

const anyCommand = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("fresh"), amount: fc.integer({ min: 1, max: 700 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("few"), amount: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("again"), amount: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("pass"), amount: fc.integer({ min: 1, max: 600 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("evict"), amount: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("alarm"), amount: fc.constant(0) }) },
);

it("knows each id of its window and no other, over evictions, purges and time", { timeout: 120_000 }, async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyCommand, { minLength: 20, maxLength: 60, size: "max" }),
      fc.nat(),
      async (commands, seed) => {
        const stream = `ids-model-${(run += 1)}`;
        const model = new Model();
        const used: string[] = [];
        let nowMs = START_MS;
        await newStream(stream, WINDOW_MS);
        for (const { kind, amount } of commands) {
          const ids = idsOf(kind, amount, used, seed);
          if (kind === "pass") {
            nowMs += amount;
            vi.setSystemTime(nowMs);
          } else if (kind === "evict") {
            await evict(env.STREAM.getByName(stream));
          } else if (kind === "alarm") {
            await runInDurableObject(env.STREAM.getByName(stream), (object) => object.alarm());
          } else if (ids.length > 0) {
            const expected = model.publish(ids, nowMs);
            const { firstSequences, duplicates, refusals } = await publish(stream, ids);
            expect(refusals).toEqual([]);
            expect(duplicates).toEqual(expected.duplicates);
            expect(firstSequences).toEqual(expected.sequences);
          }
        }
      },
    ),
    { numRuns: 15 },
  );
});

/** Ids that a command publishes; they are noted in `used`. Some are used again, soon or after their window. */
function idsOf(kind: string, amount: number, used: string[], seed: number): string[] {
  if (kind === "fresh") {
    const ids = Array.from({ length: amount }, (_, index) => `["${seed}",\n${used.length + index}]`);
    used.push(...ids);
    return ids;
  }
  if (kind === "few") {
    // The same ones over and over, also twice in a call.
    return Array.from({ length: amount }, (_, index) => `few-${(index * (1 + (seed % 7))) % 30}`);
  }
  return kind === "again" && used.length > 0
    ? Array.from({ length: amount }, (_, index) => used[(seed + index * amount) % used.length] ?? "")
    : [];
}

it("tells ids apart whose digests are the same", async () => {
  const stream = "ids-collisions";
  await newStream(stream, 86_400_000);
  // A segment is full and stored, with the key.
  await publish(stream, numbered("before", 1_000));
  const key = await runInDurableObject(env.STREAM.getByName(stream), (_object, { storage }) => {
    const [row] = storage.sql
      .exec<{ key_low: number; key_high: number }>("SELECT key_low, key_high FROM publish_id_segments LIMIT 1")
      .toArray();
    return { low: row?.key_low ?? NaN, high: row?.key_high ?? NaN };
  });
  const pairs = collisions((id) => digestOf(id, key), 20);
  const [ones, others] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];

  const first = await publish(stream, ones);
  const second = await publish(stream, others);
  await publish(stream, numbered("between", 2_000));
  await evict(env.STREAM.getByName(stream));
  const again = await publish(stream, [...ones, ...others]);

  expect([first.duplicates, second.duplicates]).toEqual([[], []]);
  expect(again.duplicates).toHaveLength(40);
  expect(again.firstSequences).toEqual([...first.firstSequences, ...second.firstSequences]);
});

it("takes one id more for each that has left the window, to the id", async () => {
  const stream = "ids-limit";
  await newStream(stream, 60_000);
  // A millisecond apart: a hundred commits of 8, several to a group of the segment, then such of 200.
  for (let [commit, count] = [0, 0]; count < LIMITS.publishIds; commit += 1) {
    const ids = numbered(`${commit}`, commit < 100 ? 8 : 200);
    vi.setSystemTime(START_MS + commit);
    await publish(stream, ids);
    count += ids.length;
  }
  const counts: number[] = [];
  for (const [afterMs, evicts] of [
    [60_000, false],
    [60_001, false],
    [60_001, true],
    [60_002, false],
    [60_010, true],
  ] as const) {
    vi.setSystemTime(START_MS + afterMs);
    if (evicts) {
      await evict(env.STREAM.getByName(stream));
    }
    const { refusals } = await publish(stream, numbered(`after-${counts.length}`, 2_000));
    counts.push(2_000 - refusals.length);
    expect(new Set(refusals.map(({ data }) => data.retryAfterMs))).toEqual(new Set([1]));
  }
  const known = await publish(stream, [...numbered("10", 8), ...numbered("9", 8)]);

  expect(counts).toEqual([0, 8, 0, 8, 64]);
  expect(known.duplicates).toHaveLength(8);
});

it("knows ids in rows of an older version, without a segment for them", async () => {
  const stream = "ids-older";
  await newStream(stream, 60_000);
  await publish(stream, ["first"]);
  const bodies = Array.from({ length: 40_000 }, () => '"data":1}');
  const bytes = bodies.map(({ length }) => length);
  await env.STREAM.getByName(stream).publish({ stream, bodies, bytes, counts: [bodies.length] });
  await runInDurableObject(env.STREAM.getByName(stream), (_object, { storage }) => {
    const ids = Array.from({ length: 30_000 }, (_, index) => [`older-${index}`, 2 + index, 1]);
    storage.sql.exec("INSERT INTO publish_ids VALUES (2, ?, ?)", START_MS, JSON.stringify(ids));
    storage.sql.exec(
      "INSERT INTO publish_ids VALUES (40000, ?, ?)",
      START_MS,
      '[["a [\\"x\\",",40000,1],["x",40001,1]]',
    );
  });
  await evict(env.STREAM.getByName(stream));
  const ids = ["older-0", "older-29999", "x", 'a ["x",', "first"];

  const before = await publish(stream, ids);
  await publish(stream, numbered("new", 100));
  await evict(env.STREAM.getByName(stream));
  const after = await publish(stream, [...ids, "new-0"]);

  expect(before.firstSequences).toEqual([2, 30_001, 40_001, 40_000, 1]);
  expect(after.firstSequences).toEqual([...before.firstSequences, 40_002]);
  expect(after.duplicates).toHaveLength(6);
});

/** How many rows each turn has deleted of ids, from now on. */
async function notePurges(stream: string): Promise<number[]> {
  const purges: number[] = [];
  await watchStatements(stream, ({ query, cursor }) => {
    if (query.startsWith("DELETE FROM publish_ids ")) {
      purges.push(cursor.rowsWritten);
    }
  });
  return purges;
}

const idRows = (stream: string) =>
  runInDurableObject(
    env.STREAM.getByName(stream),
    (_object, { storage }) => storage.sql.exec<{ rows: number }>("SELECT COUNT(*) AS rows FROM publish_ids").one().rows,
  );

it.each([
  ["1,000 rows", { commits: 1_200, ids: 1, each: 1_000 }],
  ["a quarter of a megabyte", { commits: 20, ids: 256, each: 8 }],
])("deletes ids that are too old by %s a turn, and finds none of those that are left", async (name, given) => {
  const { commits, ids, each } = given;
  const stream = `ids-purged-${name.length}`;
  await newStream(stream, WINDOW_MS);
  const old = range(1, commits).map((commit) => numbered(`${commit}-${"x".repeat(100)}`, ids));
  for (const commit of old) {
    await publish(stream, commit);
  }
  vi.setSystemTime(START_MS + WINDOW_MS);
  const recent = await publish(stream, ["recent"]);
  vi.setSystemTime(START_MS + WINDOW_MS + 1);
  const purges = await notePurges(stream);
  // No turn comes.
  const wait = vi.spyOn(scheduler, "wait").mockReturnValue(new Promise(() => {}));

  await runInDurableObject(env.STREAM.getByName(stream), (object) => object.alarm());
  const left = await idRows(stream);
  const again = await publish(stream, ["recent", ...(old[0] ?? []), ...(old.at(-1) ?? [])]);
  wait.mockRestore();
  await abortAllDurableObjects();
  const rest = await notePurges(stream);
  await runInDurableObject(env.STREAM.getByName(stream), (object) => object.alarm());

  expect(left).toBe(commits + 1 - (purges[0] ?? 0));
  expect(again.duplicates).toEqual([{ request: 0, publishedAt: START_MS + WINDOW_MS, count: 1 }]);
  expect(again.firstSequences[0]).toBe(recent.firstSequences[0]);
  // What is left but for the one that is not too old, and what was published last.
  await expect.poll(() => idRows(stream)).toBe(1 + Math.ceil((2 * ids) / 256));
  for (const rows of [...purges, ...rest]) {
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThanOrEqual(each);
  }
});

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

/** Pairs of ids with the same digest. */
function collisions(digest: (id: string) => number, count: number): [string, string][] {
  const seen = new Map<number, string>();
  const pairs: [string, string][] = [];
  for (let index = 0; pairs.length < count; index += 1) {
    const id = `colliding-${index}`;
    const value = digest(id);
    const other = seen.get(value);
    if (other !== undefined) {
      pairs.push([other, id]);
    }
    seen.set(value, id);
  }
  return pairs;
}
