import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

import type { MethodParams } from "../../rpc/index.ts";
import { unpackRuns } from "../../src/stream/consumers/cursor/stored.ts";
import type { StoredCursor } from "../../src/stream/consumers/cursor/stored.ts";
import type { Unsettled } from "../../src/stream/consumers/cursor/unsettled.ts";

import type { TestClient } from "./client.ts";

/** Publishes messages numbered from 1 in one batch, one for each subject. */
export async function publishSubjects(client: TestClient, stream: string, subjects: readonly string[]): Promise<void> {
  await client.call("publishBatch", {
    stream,
    messages: subjects.map((subject, index) => ({ data: index + 1, subject })),
  });
}

/** Publishes so many messages in batches as large as they may be. */
export async function publishMany(client: TestClient, stream: string, count: number): Promise<void> {
  for (let done = 0; done < count; done += 500) {
    const messages = Array.from({ length: Math.min(500, count - done) }, (_, index) => ({ data: done + index + 1 }));
    await client.call("publishBatch", { stream, messages });
  }
}

/** A stream with so many messages and a consumer `c`; redeliveries come quickly unless `config` says otherwise. */
export async function streamWithConsumer(
  client: TestClient,
  stream: string,
  count: number,
  config: Partial<MethodParams<"createConsumer">> = {},
) {
  const made = { consumer: "c", ackWaitMs: 2_000, backoffMs: [100], ...config, stream };
  const info = await client.call("createConsumer", made);
  await publishMany(client, stream, count);
  return info;
}

/** Every delivery that came so far, as sequence and delivery count. */
export function deliveries(client: TestClient, subscription?: number): [sequence: number, deliveryCount: number][] {
  return client
    .of("messages", subscription)
    .flatMap(({ messages }) => messages.map(({ sequence, deliveryCount = 0 }) => [sequence, deliveryCount]));
}

/** Waits until a delivery came. */
export async function untilDelivery(client: TestClient, sequence: number, deliveryCount: number): Promise<void> {
  await client.until(
    () => deliveries(client).find((one) => one[0] === sequence && one[1] === deliveryCount),
    () => `delivery ${deliveryCount} of ${sequence}, after ${JSON.stringify(deliveries(client))}`,
  );
}

/** Waits until a consumer's messages are counted. @param estimates Is given what is told until then. */
export async function counted(
  client: TestClient,
  stream: string,
  consumer: string,
  estimates: number[] = [],
): Promise<number> {
  for (;;) {
    const { pending, pendingIsEstimate } = await client.call("getConsumer", { stream, consumer });
    if (pendingIsEstimate !== true) {
      return pending;
    }
    estimates.push(pending);
  }
}

/** Makes a stream one that was written by a version without an index of subjects. */
export function forgetSubjects({ sql }: DurableObjectStorage): void {
  sql.exec("DELETE FROM subjects");
}

/** Whether a statement reads a page of the log, or a part of what is not indexed. */
export function readsPage(query: string): boolean {
  return /^WITH (?:start|RECURSIVE part) /.test(query);
}

/** What a stream has stored of its consumers: of each the messages that are in flight or wait, and its dead letters. */
export type StoredConsumers = { readonly unsettled: readonly (readonly Unsettled[])[]; readonly deadLetters: number };

/** Notes what a stream has stored of its consumers, now and after each of its transactions from now on. */
export async function noteTurns(stream: string): Promise<StoredConsumers[]> {
  const turns: StoredConsumers[] = [];
  await runInDurableObject(env.STREAM.getByName(stream), (_object, { storage }) => {
    const note = () => turns.push(storedConsumers(storage.sql));
    const transactionSync = storage.transactionSync.bind(storage);
    const noting: typeof storage.transactionSync = (act) => {
      const result = transactionSync(act);
      note();
      return result;
    };
    Object.defineProperty(storage, "transactionSync", { configurable: true, value: noting });
    note();
  });
  return turns;
}

/** By how much something of what is stored has become less in each turn. */
export function decreases(turns: readonly StoredConsumers[], of: (stored: StoredConsumers) => number): number[] {
  const counts = turns.map(of);
  return counts.slice(1).map((count, index) => (counts[index] ?? 0) - count);
}

function storedConsumers(sql: SqlStorage): StoredConsumers {
  const rows = sql.exec<{ cursor: string }>("SELECT cursor FROM consumers").toArray();
  const unsettled = rows.map(({ cursor }) => unpackRuns(JSON.parse(cursor) as StoredCursor));
  const { deadLetters } = sql.exec<{ deadLetters: number }>("SELECT COUNT(*) AS deadLetters FROM dead_letters").one();
  return { unsettled, deadLetters };
}
