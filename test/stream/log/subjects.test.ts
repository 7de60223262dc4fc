import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject, it } from "vitest";

import { subjectMatcher } from "../../../src/internal/subject.ts";
import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { counted, forgetSubjects } from "../../harness/consumers.ts";
import { faultStream } from "../../harness/faults.ts";
import { evict, range } from "../../harness/objects.ts";
import { watchStatements } from "../../harness/statements.ts";

/** So long that a few batches of messages with one each end a segment of the index. */
const LONG_TOKEN = "x".repeat(200);
/** So large that a message is a block of its own. */
const LARGE = "y".repeat(40_000);

const stub = (stream: string) => env.STREAM.getByName(stream);

function sqlOf<T>(stream: string, ask: (sql: SqlStorage) => T): Promise<T> {
  return runInDurableObject(stub(stream), (_instance, { storage }) => ask(storage.sql));
}

const segments = (sql: SqlStorage) => sql.exec<{ n: number }>("SELECT COUNT(*) AS n FROM subjects").one().n;

/** Publishes so many batches of 500 with one subject. */
async function publishCommon(client: TestClient, stream: string, batches: number): Promise<void> {
  const messages = range(1, 500).map((data) => ({ data, subject: "common" }));
  for (let count = 0; count < batches; count += 1) {
    await client.call("publishBatch", { stream, messages });
  }
}

/** Publishes so many batches of 500 without a subject. */
async function publishBare(client: TestClient, stream: string, batches: number): Promise<void> {
  const messages = range(1, 500).map((data) => ({ data }));
  for (let count = 0; count < batches; count += 1) {
    await client.call("publishBatch", { stream, messages });
  }
}

/** All that a filter matches, by as many pages as it takes. */
async function readAll(client: TestClient, stream: string, filter: string) {
  const sequences: number[] = [];
  let [from, last, pages] = [1, 1, 0];
  while (from <= last) {
    const page = await client.call("getMessages", { stream, filter, from: { sequence: from } });
    sequences.push(...page.messages.map(({ sequence }) => sequence));
    [from, last, pages] = [page.nextSequence, page.lastSequence, pages + 1];
  }
  return { sequences, pages };
}

/** Follows a filter through the log; the messages, and the sequences that were told to be gone. */
async function followed(client: TestClient, stream: string, filter: string) {
  const { subscription, lastSequence } = await client.call("subscribe", { stream, filter, maxInFlight: 10_000 });
  // The log is read in order: what comes behind all was read after all.
  const { sequence } = await client.call("publish", { stream, subject: filter.replaceAll(/[*>]/g, "end"), data: 0 });
  const sequences = () =>
    client.of("messages", subscription).flatMap(({ messages }) => messages.map((message) => message.sequence));
  let acked = 0;
  const isOver = () => {
    const through = sequences().at(-1) ?? 0;
    if (through > acked) {
      acked = through;
      client.notify("ack", { subscription, through });
    }
    return through === sequence || undefined;
  };
  await client.until(isOver, "the last message");
  await client.call("unsubscribe", { subscription });
  const gone = client.of("gap", subscription).flatMap(({ from, to }) => range(from, to));
  return { sequences: sequences().filter((one) => one !== sequence), gone, lastSequence, end: sequence };
}

it("reads of a long log what may match a rare filter, and nothing else", async () => {
  const client = await connect();
  const stream = "index-skips";
  await publishCommon(client, stream, 40);
  await client.call("publish", { stream, subject: "rare", data: 1 });
  await publishCommon(client, stream, 40);
  const calls = { reads: 0, messages: 0 };
  await faultStream("readPage", async (readPage, ...args) => {
    const page = await readPage(...args);
    calls.reads += 1;
    calls.messages += page !== undefined && "count" in page ? page.count : 0;
    return page;
  });

  const { sequences, pages } = await readAll(client, stream, "rare");
  const { reads: byPages, messages } = calls;
  const { sequences: pushed } = await followed(client, stream, "rare");

  expect({ sequences, pages, pushed }).toEqual({ sequences: [20_001], pages: 1, pushed: [20_001] });
  // Two to come to the message and beyond it, one for the end.
  expect(byPages).toBeLessThanOrEqual(4);
  expect(calls.reads - byPages).toBeLessThanOrEqual(4);
  expect(messages).toBe(1);
});

it("looks at what the index does not know, between and behind what it knows", async () => {
  const client = await connect();
  const stream = "index-gaps";
  await publishCommon(client, stream, 45);
  await client.call("publish", { stream, subject: "rare", data: 1 });
  await publishCommon(client, stream, 60);
  await client.call("publish", { stream, subject: "rare", data: 2 });
  const wanted = [22_501, 52_502];
  await sqlOf(
    stream,
    (sql) => void sql.exec("DELETE FROM subjects WHERE ? BETWEEN first_sequence AND last_sequence", 22_501),
  );
  await evict(stub(stream));

  const { sequences } = await readAll(client, stream, "rare");
  const { sequences: pushed } = await followed(client, stream, "rare");
  await client.call("createConsumer", { stream, consumer: "c", filter: "rare" });
  const pending = await counted(client, stream, "c");

  expect({ sequences, pushed, pending }).toEqual({ sequences: wanted, pushed: wanted, pending: 3 });
});

it("writes a row for many batches, also of messages without a subject", async () => {
  const client = await connect();
  const [without, common, many] = ["index-without", "index-common", "index-many"] as const;
  const unique = range(1, 500).map((data) => ({ data, subject: `${LONG_TOKEN}.${LONG_TOKEN.slice(0, 45)}.${data}` }));
  for (let count = 0; count < 9; count += 1) {
    await client.call("publishBatch", { stream: many, messages: unique });
  }
  await publishCommon(client, common, 70);
  await publishBare(client, without, 70);

  expect(await sqlOf(without, segments)).toBe(1);
  expect(await sqlOf(common, segments)).toBe(2);
  expect(await sqlOf(many, segments)).toBeLessThanOrEqual(2);
});

it("indexes what it was not awake for when it has become much, and what a consumer counts", async () => {
  const client = await connect();
  const stream = "index-later";
  for (let count = 0; count < 20; count += 1) {
    await publishCommon(client, stream, 1);
    await evict(stub(stream));
  }
  const resumed = await sqlOf(stream, segments);
  await publishCommon(client, stream, 30);
  await sqlOf(stream, (sql) => void sql.exec("DELETE FROM subjects"));

  const info = await client.call("createConsumer", { stream, consumer: "c", filter: "common" });
  const estimates: number[] = [];
  const pending = await counted(client, stream, "c", estimates);

  expect(resumed).toBe(2);
  expect({ least: estimates.some((one) => one > 0 && one < 25_000), mark: info.pendingIsEstimate, pending }).toEqual({
    least: true,
    mark: true,
    pending: 25_000,
  });
  expect(await sqlOf(stream, segments)).toBeGreaterThan(1);
});

it("forgets segments with the rows that they are of", async () => {
  const client = await connect();
  const stream = "index-swept";
  await publishCommon(client, stream, 70);
  const before = await sqlOf(stream, segments);

  await client.call("deleteMessages", { stream, through: 34_000 });

  expect(before).toBeGreaterThan(1);
  await expect.poll(() => sqlOf(stream, segments)).toBe(0);
});

it("gives every reader with a filter what matches, whatever was deleted, evicted or written by another version", async () => {
  let seed = 11;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const runs = Math.ceil(inject("lengths").modelRuns / 1000);
  let indexed = 0;
  for (let run = 0; run < runs; run += 1) {
    const client = await connect();
    const stream = `index-model-${run}`;
    /** By sequence; undefined for what was deleted, null for none. */
    const subjects: (string | null | undefined)[] = [undefined];
    const subject = () => {
      const kinds = [
        () => null,
        () => `common.${random(5)}`,
        () => `unique.${LONG_TOKEN}.${random(1_000_000)}`,
        () => (random(40) === 0 ? "rare.one" : "common.1"),
      ];
      return kinds[random(kinds.length)]?.() ?? null;
    };
    const publish = async () => {
      const isLarge = random(4) === 0;
      const made = range(1, isLarge ? 1 + random(8) : 100 + random(200)).map(subject);
      const data = isLarge ? LARGE : 0;
      const messages = made.map((one) => (one === null ? { data } : { data, subject: one }));
      await client.call("publishBatch", { stream, messages });
      subjects.push(...made);
    };
    const remove = async (what: { through: number } | { sequences: number[] }) => {
      await client.call("deleteMessages", { stream, ...what });
      const gone = "through" in what ? range(1, what.through) : what.sequences;
      gone.forEach((sequence) => (subjects[sequence] = undefined));
    };
    const check = async () => {
      const filter =
        ["rare.one", "rare.*", "common.3", "unique.*.7", "unique.>", "none.*", "*.1", ">"][random(8)] ?? ">";
      const matches = subjectMatcher(filter);
      const last = subjects.length - 1;
      const existing = range(1, last).filter((sequence) => subjects[sequence] !== undefined);
      const wanted = existing.filter((sequence) => matches(subjects[sequence] ?? undefined));
      const consumer = `c-${last}-${random(1_000_000)}`;
      const at = { run, last, filter };
      // Before the consumer counts: that indexes what it reads.
      expect({ at, ...(await readAll(client, stream, filter)) }).toMatchObject({ at, sequences: wanted });
      await client.call("createConsumer", { stream, consumer, filter, maxInFlight: 10_000 });
      const pending = await counted(client, stream, consumer);
      const fetched: number[] = [];
      for (let got = -1; got !== fetched.length;) {
        got = fetched.length;
        const { messages } = await client.call("fetchMessages", { stream, consumer, limit: 500 });
        fetched.push(...messages.map(({ sequence }) => sequence));
      }
      await client.call("deleteConsumer", { stream, consumer });
      expect({ at, fetched, pending }).toEqual({ at, fetched: wanted, pending: wanted.length });
      const { sequences, gone, end } = await followed(client, stream, filter);
      subjects[end] = filter.replaceAll(/[*>]/g, "end");
      const first = existing[0] ?? end;
      const deleted = range(first, last).filter((sequence) => subjects[sequence] === undefined);
      expect({ at, sequences, gone }).toEqual({ at, sequences: wanted, gone: deleted });
    };
    for (let step = 0; step < 50; step += 1) {
      const last = subjects.length - 1;
      const what = random(14);
      if (what <= 6 || last === 0) {
        await publish();
      } else if (what === 7) {
        await remove({ sequences: [...new Set(range(1, 5).map(() => 1 + random(last)))] });
      } else if (what === 8 && random(3) === 0) {
        await remove({ through: 1 + random(Math.ceil(last / 3)) });
      } else if (what === 9) {
        await evict(stub(stream));
      } else if (what === 10) {
        // The version before wrote what came last, or some of what came before.
        const [first, end] = random(2) === 0 ? [random(last), last] : [0, random(last)];
        await sqlOf(
          stream,
          (sql) => void sql.exec("DELETE FROM subjects WHERE first_sequence BETWEEN ? AND ?", first, end),
        );
        await evict(stub(stream));
      } else {
        await check();
      }
    }
    await check();
    indexed += await sqlOf(stream, segments);
  }
  expect(indexed).toBeGreaterThan(0);
});

it("counts for a filter that came later, and keeps the count when messages come and go", async () => {
  const client = await connect();
  const stream = "index-counts";
  await publishCommon(client, stream, 40);
  await client.call("publish", { stream, subject: "rare", data: 1 });
  await runInDurableObject(stub(stream), (_instance, { storage }) => forgetSubjects(storage));
  await evict(stub(stream));
  await client.call("createConsumer", { stream, consumer: "c", filter: "rare" });

  const before = await counted(client, stream, "c");
  await client.call("publish", { stream, subject: "rare", data: 2 });
  const more = await counted(client, stream, "c");
  await client.call("deleteMessages", { stream, sequences: [20_001] });
  const fewer = await counted(client, stream, "c");
  // So the old filter's next message is found in more turns than one.
  await sqlOf(stream, (sql) => void sql.exec("DELETE FROM subjects"));
  await evict(stub(stream));
  const changed = await client.call("updateConsumer", { stream, consumer: "c", filter: "common" });
  await publishCommon(client, stream, 1);

  expect({ before, more, fewer, changed: changed.pending }).toEqual({ before: 1, more: 2, fewer: 1, changed: 0 });
  expect(await counted(client, stream, "c")).toBe(500);
});

it.each([
  ["is indexed", (sql: SqlStorage) => void segments(sql), { from: 1, to: 40_000, total: 40_000 }],
  [
    "is not, and is marked as the least that it may be",
    (sql: SqlStorage) => void sql.exec("DELETE FROM subjects"),
    { from: 1, to: 40_000, total: expect.any(Number), totalIsEstimate: true },
  ],
])("tells a consumer what it lost when a long stretch is deleted that %s", async (name, prepare, lost) => {
  const client = await connect();
  const stream = `index-lost-${name.length}`;
  await client.call("createConsumer", { stream, consumer: "c", filter: "common" });
  await publishCommon(client, stream, 81);
  await sqlOf(stream, prepare);
  await evict(stub(stream));

  await client.call("deleteMessages", { stream, through: 40_000 });
  const info = await client.call("getConsumer", { stream, consumer: "c" });

  expect(info).toMatchObject({ ackFloor: 40_000, lost });
  expect(info.lost?.total).toBeGreaterThan(5_000);
  expect(info.lost?.totalIsEstimate).toBe("totalIsEstimate" in lost ? true : undefined);
  expect(await counted(client, stream, "c")).toBe(500);
});

/** Notes how many lists of subjects each look at the index goes through from now on. */
async function noteLooks(stream: string): Promise<number[]> {
  const looks: number[] = [];
  await watchStatements(stream, ({ query }) => {
    if (query.includes("instr(subjects")) {
      // The first one is looked for from its end.
      looks.push(query.includes("DESC") ? 1 : (looks.pop() ?? 0) + 1);
    }
  });
  return looks;
}

it.each([
  ["may match", "*.*.*", 524_288],
  ["can not match", "none.*", 4_194_304],
])(
  "looks at once through as much text of lists of subjects that %s as takes some milliseconds",
  async (name, filter, most) => {
    const client = await connect();
    const stream = `index-lists-${name.length}`;
    await client.call("configureStream", { stream, maxBytes: 100_000_000 });
    for (let batch = 0; batch < 240; batch += 1) {
      const messages = range(1, 100).map((data) => ({ data, subject: `${LONG_TOKEN}.${batch * 100 + data}` }));
      await client.call("publishBatch", { stream, messages });
    }
    const looks = await noteLooks(stream);

    const { sequences } = await readAll(client, stream, filter);
    const { sequences: pushed } = await followed(client, stream, filter);
    const { shortest, lists } = await sqlOf(stream, (sql) =>
      sql
        .exec<{ shortest: number; lists: number }>(
          "SELECT MIN(length(subjects)) AS shortest, COUNT(*) AS lists FROM subjects",
        )
        .one(),
    );

    expect({ sequences, pushed }).toEqual({ sequences: [], pushed: [] });
    expect(looks.length).toBeGreaterThanOrEqual(2 * Math.floor(lists / Math.ceil(most / shortest)));
    expect(Math.max(...looks)).toBeLessThanOrEqual(Math.ceil(most / shortest));
  },
);
