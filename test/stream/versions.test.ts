import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict } from "../harness/objects.ts";

/** The tables of the first two versions, as their code made them. */
const TABLES = [
  `CREATE TABLE stream (
    name TEXT NOT NULL,
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    config TEXT NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    deleted_through INTEGER NOT NULL,
    clock_at INTEGER NOT NULL,
    hole_bytes INTEGER NOT NULL
  );
  CREATE TABLE batches (
    first_sequence INTEGER PRIMARY KEY,
    last_sequence INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    end_bytes INTEGER NOT NULL,
    hole_bytes INTEGER NOT NULL,
    messages TEXT NOT NULL
  );
  CREATE TABLE holes (sequence INTEGER PRIMARY KEY);
  CREATE TABLE publish_ids (first_sequence INTEGER PRIMARY KEY, published_at INTEGER NOT NULL, ids TEXT NOT NULL);
  CREATE TABLE gateways (name TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;`,
  `CREATE TABLE consumers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, config TEXT NOT NULL, cursor TEXT NOT NULL);
  CREATE TABLE consumer_subscriptions (
    holder TEXT PRIMARY KEY,
    consumer INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    max_in_flight INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE dead_letters (
    consumer INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    reason TEXT NOT NULL,
    dead_at INTEGER NOT NULL,
    PRIMARY KEY (consumer, sequence)
  ) WITHOUT ROWID;`,
];

const EPOCH = "a-life";
/** How code of the first two versions adds messages. */
const INSERT = `INSERT INTO batches
  (first_sequence, last_sequence, published_at, count, bytes, end_bytes, hole_bytes, messages)
  VALUES (?, ?, ?, ?, ?, ?, 0, ?)`;

function withStorage<T>(stream: string, act: (storage: DurableObjectStorage) => T): Promise<T> {
  return runInDurableObject(env.STREAM.getByName(stream), (_stream, { storage }) => act(storage));
}

/** Adds two messages behind those that there are, as code of the first two versions would. */
function insertTwo(sql: SqlStorage): void {
  const [newest] = sql
    .exec<{ last: number; end: number }>(
      "SELECT last_sequence AS last, end_bytes AS end FROM batches ORDER BY first_sequence DESC LIMIT 1",
    )
    .toArray();
  const { last, end } = newest ?? { last: 0, end: 0 };
  const at = Date.now();
  const texts = [1, 2].map((each) => `{"sequence":${last + each},"publishedAt":${at},"data":"old ${each}"}`);
  const text = texts.join(",\n");
  sql.exec(INSERT, last + 1, last + 2, at, 2, text.length, end + text.length, text);
}

/** A stream as code of an early version left it: two messages, a state document, and from version 2 on a consumer. */
async function storedBy(version: number, stream: string): Promise<void> {
  await withStorage(stream, ({ sql }) => {
    sql.exec(`CREATE TABLE schema_version (version INTEGER NOT NULL); ${TABLES.slice(0, version).join("")}`);
    sql.exec("INSERT INTO schema_version (version) VALUES (?)", version);
    sql.exec(`INSERT INTO stream VALUES (?, ?, 1, '{"maxMessages":100}', '{"n":1}', 1, 0, 0, 0)`, stream, EPOCH);
    insertTwo(sql);
    if (version >= 2) {
      const config = { from: "first", ackWaitMs: 30_000, maxDeliver: 5, maxInFlight: 10, backoffMs: [] };
      const cursor = { nextSequence: 2, paused: false, holders: [], reached: [], runs: [[0, 1, 1, [], [1, 1]]] };
      sql.exec("INSERT INTO consumers VALUES (7, 'c', ?, ?)", JSON.stringify(config), JSON.stringify(cursor));
    }
  });
  await evict(env.STREAM.getByName(stream));
}

async function versionOf(stream: string): Promise<number[]> {
  return withStorage(stream, ({ sql }) =>
    sql
      .exec<{ version: number }>("SELECT version FROM schema_version")
      .toArray()
      .map(({ version }) => version),
  );
}

/** Has code of another version meet the tables: it leaves a version behind. */
async function setVersion(stream: string, version: number): Promise<void> {
  await withStorage(stream, ({ sql }) => {
    sql.exec("UPDATE schema_version SET version = ?", version);
  });
  await evict(env.STREAM.getByName(stream));
}

async function dataOf(client: TestClient, stream: string): Promise<[number, unknown][]> {
  const { messages } = await client.call("getMessages", { stream });
  return messages.map(({ sequence, data }) => [sequence, data]);
}

describe.each([1, 2])("a stream that code of version %i has stored", (version) => {
  it("is taken over by this one: its log, its state, its config and its consumers", async () => {
    const stream = `stored-by-${version}`;
    await storedBy(version, stream);
    const client = await connect();

    const producer = { id: "p", sequence: 1 };
    const published = await client.call("publish", { stream, data: "new", producer });
    const repeated = await client.call("publish", { stream, data: "new", producer });
    await client.call("createConsumer", { stream, consumer: "new", from: "first" });

    expect(published).toMatchObject({ sequence: 3, epoch: EPOCH, duplicate: false });
    expect(repeated).toMatchObject({ sequence: 3, duplicate: true });
    expect(await dataOf(client, stream)).toEqual([
      [1, "old 1"],
      [2, "old 2"],
      [3, "new"],
    ]);
    expect(await client.call("getState", { stream })).toEqual({ epoch: EPOCH, state: { n: 1 }, revision: 1 });
    const { config } = await client.call("getStreamInfo", { stream });
    expect(config).toMatchObject({ maxMessages: 100 });
    if (version >= 2) {
      const { messages } = await client.call("fetchMessages", { stream, consumer: "c" });
      expect(messages.map(({ sequence, deliveryCount }) => [sequence, deliveryCount])).toEqual([
        [1, 2],
        [2, 1],
        [3, 1],
      ]);
    }
  });
});

describe("a stream of a later version", () => {
  it("is worked with as it is, and its version stays", async () => {
    const stream = "of-a-later-version";
    const client = await connect();
    await client.call("publish", { stream, data: 1 });
    await withStorage(stream, ({ sql }) => {
      sql.exec("ALTER TABLE batches ADD COLUMN later TEXT; CREATE TABLE later (what TEXT NOT NULL)");
      sql.exec("INSERT INTO later (what) VALUES ('kept')");
    });
    await setVersion(stream, 99);

    await client.call("publish", { stream, data: 2 });
    await evict(env.STREAM.getByName(stream));

    expect(await dataOf(client, stream)).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(await versionOf(stream)).toEqual([99]);
    expect(await withStorage(stream, ({ sql }) => sql.exec("SELECT what FROM later").toArray())).toEqual([
      { what: "kept" },
    ]);
  });
});

describe.each([0, 1, 2])("a stream whose version was written down to %i", (version) => {
  it("has all that it had, and its version again", async () => {
    const stream = `written-down-to-${version}`;
    const client = await connect();
    const producer = { id: "p", sequence: 1 };
    await client.call("createConsumer", { stream, consumer: "c" });
    await client.call("publish", { stream, data: "mine", producer });
    // Of this one only the row of its batch tells whose it is.
    const second = { id: "p", sequence: 2 };
    await client.call("publish", { stream, data: "mine too", producer: second });
    await client.call("putState", { stream, state: "kept" });
    const before = await versionOf(stream);
    // Meanwhile the earlier code has gone on with the tables.
    await withStorage(stream, ({ sql }) => insertTwo(sql));
    await setVersion(stream, version);

    const repeated = [
      await client.call("publish", { stream, data: "mine", producer }),
      await client.call("publish", { stream, data: "mine too", producer: second }),
    ];
    const next = await client.call("publish", { stream, data: "next", producer: { id: "p", sequence: 3 } });
    await evict(env.STREAM.getByName(stream));

    expect(repeated.map(({ sequence, duplicate }) => [sequence, duplicate])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(next).toMatchObject({ sequence: 5, duplicate: false });
    expect(await versionOf(stream)).toEqual(before);
    expect(await client.call("getState", { stream })).toMatchObject({ state: "kept", revision: 1 });
    expect((await dataOf(client, stream)).map(([, data]) => data)).toEqual([
      "mine",
      "mine too",
      "old 1",
      "old 2",
      "next",
    ]);
    const { messages } = await client.call("fetchMessages", { stream, consumer: "c" });
    expect(messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
  });
});
