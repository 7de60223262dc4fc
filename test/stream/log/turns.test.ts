import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { messageText, utf8Bytes } from "../../../src/internal/message-text.ts";
import { connect } from "../../harness/client.ts";
import type { TestClient } from "../../harness/client.ts";
import { counted, readsPage } from "../../harness/consumers.ts";
import { evict, range } from "../../harness/objects.ts";
import { watchStatements } from "../../harness/statements.ts";
import type { Statement } from "../../harness/statements.ts";

/** What is rewritten, or read, in a turn at most. */
const TURN_BYTES = 131_072;

const stub = (stream: string) => env.STREAM.getByName(stream);

/** Notes the statements of a stream from now on, by its turns: each is a transaction. */
async function noteTurns(stream: string): Promise<Statement[][]> {
  const turns: Statement[][] = [[]];
  await watchStatements(stream, (statement) => turns.at(-1)?.push(statement));
  await runInDurableObject(stub(stream), (_instance, { storage }) => {
    const transactionSync = storage.transactionSync.bind(storage);
    const beginning: typeof storage.transactionSync = (act) => {
      turns.push([]);
      return transactionSync(act);
    };
    Object.defineProperty(storage, "transactionSync", { configurable: true, value: beginning });
  });
  return turns;
}

/** How many bytes a statement has rewritten. */
const rewrittenBy = ({ query, bindings: [text] }: Statement) =>
  query.startsWith("UPDATE batches SET messages") && typeof text === "string" ? text.length : 0;

/** How many bytes each turn has rewritten, of those that have. */
function rewrittenIn(turns: readonly Statement[][]): number[] {
  return turns.map((turn) => turn.reduce((sum, one) => sum + rewrittenBy(one), 0)).filter((bytes) => bytes > 0);
}

/** How many pages of the log each turn has read, of those that have. */
function pagesIn(turns: readonly Statement[][]): number[] {
  return turns.map((turn) => turn.filter(({ query }) => readsPage(query)).length).filter((pages) => pages > 0);
}

/** How many rows each turn has read, as the runtime counts them. */
function rowsReadIn(stream: string, turns: readonly Statement[][]): Promise<number[]> {
  return runInDurableObject(stub(stream), () =>
    turns.map((turn) => turn.reduce((sum, { cursor }) => sum + cursor.rowsRead, 0)),
  );
}

/** Adds rows of one message without a subject each, as a version before the index of subjects left them. */
async function publishedSingly(
  client: TestClient,
  stream: string,
  { rows, characters }: { rows: number; characters: number },
): Promise<void> {
  await client.call("publish", { stream, data: "first" });
  await runInDurableObject(stub(stream), (_instance, { storage }) => {
    storage.sql.exec(
      `WITH RECURSIVE numbers (sequence) AS (SELECT 2 UNION ALL SELECT sequence + 1 FROM numbers WHERE sequence <= ?1),
       made AS (
         SELECT sequence, published_at, end_bytes,
           '{"sequence":' || sequence || ',"publishedAt":' || published_at || ',"data":"' || ?2 || '"}' AS text
         FROM numbers, batches
       )
       INSERT INTO batches (first_sequence, last_sequence, published_at, count, bytes, end_bytes, hole_bytes, messages)
       SELECT sequence, sequence, published_at, 1, length(text), end_bytes + SUM(length(text)) OVER (ORDER BY sequence), 0, text
       FROM made`,
      rows,
      "x".repeat(characters),
    );
    storage.sql.exec("DELETE FROM subjects");
  });
  await evict(stub(stream));
}

async function sequencesOf(client: TestClient, stream: string): Promise<number[]> {
  const sequences: number[] = [];
  let [sequence, last] = [1, 1];
  while (sequence <= last) {
    const page = await client.call("getMessages", { stream, from: { sequence } });
    sequences.push(...page.messages.map((message) => message.sequence));
    [sequence, last] = [page.nextSequence, page.lastSequence];
  }
  return sequences;
}

/** Adds a row of 500 messages with 2,000 characters each, as an earlier version wrote them; it ends with sequence 501. */
async function publishedBefore(client: TestClient, stream: string): Promise<void> {
  const { publishedAt } = await client.call("publish", { stream, data: "first" });
  const body = `"data":"${"x".repeat(2_000)}"}`;
  const text = range(2, 501)
    .map((sequence) => messageText(sequence, publishedAt, body))
    .join(",\n");
  await runInDurableObject(stub(stream), (_instance, { storage }) => {
    storage.sql.exec(
      `INSERT INTO batches (first_sequence, last_sequence, published_at, count, bytes, end_bytes, hole_bytes, messages)
       SELECT 2, 501, published_at, 500, ?1, end_bytes + ?1, 0, ?2 FROM batches WHERE first_sequence = 1`,
      utf8Bytes(text),
      text,
    );
  });
  await evict(stub(stream));
}

it("rewrites little in a turn when scattered messages of large batches are deleted", async () => {
  const client = await connect();
  const stream = "turns-scattered";
  const messages = range(1, 500).map(() => ({ data: "x".repeat(1_000) }));
  for (let batch = 0; batch < 4; batch += 1) {
    await client.call("publishBatch", { stream, messages });
  }
  const scattered = range(1, 20).map((index) => 100 * index - 50);
  const turns = await noteTurns(stream);

  const { deleted } = await client.call("deleteMessages", { stream, sequences: scattered });

  expect(deleted).toBe(20);
  expect(Math.max(...rewrittenIn(turns))).toBeLessThanOrEqual(TURN_BYTES);
  expect(await sequencesOf(client, stream)).toEqual(range(1, 2_000).filter((one) => !scattered.includes(one)));
});

it("reads and deletes from a row of a megabyte, which an earlier version wrote, beside small ones", async () => {
  const client = await connect();
  const stream = "turns-before";
  await publishedBefore(client, stream);
  await client.call("publishBatch", { stream, messages: range(502, 510).map((data) => ({ data })) });
  const turns = await noteTurns(stream);

  const { deleted } = await client.call("deleteMessages", { stream, sequences: [1, 3, 300, 501, 505] });
  await evict(stub(stream));

  expect(deleted).toBe(5);
  // The large row takes a turn of its own.
  expect(rewrittenIn(turns).filter((bytes) => bytes > TURN_BYTES)).toHaveLength(1);
  expect(rewrittenIn(turns).length).toBe(2);
  expect(await sequencesOf(client, stream)).toEqual(
    range(1, 510).filter((one) => ![1, 3, 300, 501, 505].includes(one)),
  );
});

it("knows at once that nothing matches a filter where messages have no subject", async () => {
  const client = await connect();
  const stream = "turns-bare";
  const messages = range(1, 500).map((data) => ({ data }));
  for (let batch = 0; batch < 80; batch += 1) {
    await client.call("publishBatch", { stream, messages });
  }
  const turns = await noteTurns(stream);

  const { pending, pendingIsEstimate } = await client.call("createConsumer", { stream, consumer: "c", filter: "a" });

  expect({ pending, pendingIsEstimate }).toEqual({ pending: 0, pendingIsEstimate: undefined });
  expect(pagesIn(turns)).toEqual([]);
});

it.each([
  ["with a subject", { subject: "common" }, 20_000],
  ["without a subject", {}, 0],
] as const)("reads little in a turn to count messages %s that are not indexed", async (name, part, pending) => {
  const client = await connect();
  const stream = `turns-${name.replaceAll(" ", "-")}`;
  const messages = range(1, 500).map((data) => ({ data, ...part }));
  for (let batch = 0; batch < 40; batch += 1) {
    await client.call("publishBatch", { stream, messages });
  }
  await runInDurableObject(stub(stream), (_instance, { storage }) => void storage.sql.exec("DELETE FROM subjects"));
  await evict(stub(stream));
  const turns = await noteTurns(stream);

  await client.call("createConsumer", { stream, consumer: "c", filter: "common" });

  expect(await counted(client, stream, "c")).toBe(pending);
  // A page of 128 KiB, and another one where the first is found to have more subjects than a turn should look at.
  expect(Math.max(...pagesIn(turns))).toBeLessThanOrEqual(2);
  expect(pagesIn(turns).length).toBeGreaterThan(4);
});

/** Most rows that a turn reads: 512, each found and then read, which the runtime counts as four, and few beside them. */
const TURN_ROWS = 2_100;
const ROWS = 20_000;

it.each([
  ["small", 10],
  ["large", 1_000],
])(
  "counts %s rows of one message that are not indexed in turns of few rows, and reads each once",
  async (name, characters) => {
    const client = await connect();
    const stream = `turns-single-${name}`;
    await publishedSingly(client, stream, { rows: ROWS, characters });
    const turns = await noteTurns(stream);

    await client.call("createConsumer", { stream, consumer: "c", filter: "rare" });
    const pending = await counted(client, stream, "c");
    const rowsRead = await rowsReadIn(stream, turns);

    expect(pending).toBe(0);
    expect(Math.max(...rowsRead)).toBeLessThanOrEqual(TURN_ROWS);
    expect(rowsRead.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(5 * ROWS);
  },
);

it("indexes nothing of what an earlier version left in a publish, and what is worth a row in turns after", async () => {
  const client = await connect();
  const stream = "turns-behind";
  await publishedSingly(client, stream, { rows: ROWS / 2, characters: 500 });
  const turns = await noteTurns(stream);

  const { sequence } = await client.call("publish", { stream, data: "woken" });
  const publishes = turns.filter((turn) => turn.some(({ query }) => query.startsWith("INSERT INTO batches")));
  const left = () =>
    runInDurableObject(
      stub(stream),
      (_instance, { storage }) =>
        sequence -
        1 -
        (storage.sql.exec<{ last: number | null }>("SELECT MAX(last_sequence) AS last FROM subjects").one().last ?? 0),
    );
  await expect.poll(left, { timeout: 10_000 }).toBeLessThan(4_096);
  const rowsRead = await rowsReadIn(stream, turns);

  expect(publishes).toHaveLength(1);
  expect(pagesIn(publishes)).toEqual([]);
  // Some thirty: by when it is looked.
  expect(pagesIn(turns).length).toBeGreaterThan(20);
  expect(Math.max(...pagesIn(turns))).toBe(1);
  expect(Math.max(...rowsRead)).toBeLessThanOrEqual(TURN_ROWS);
});
