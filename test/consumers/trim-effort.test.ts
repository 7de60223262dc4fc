import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { counted, publishSubjects, readsPage } from "../harness/consumers.ts";
import { range } from "../harness/objects.ts";

/** What one trim looks through, and what its last step may take more. */
const TRIM_BYTES = 2_097_152 + 262_144;
/** Long enough that a list of subjects is full with some hundred of them. */
const PADDING = "p".repeat(180);
const KINDS = 120;

/** Each subject is another one, so that the index of subjects is as long as it may be. */
const subjectOf = (sequence: number) => `${PADDING}${sequence}.k${sequence % KINDS}`;

type Looked = { bytes: number; pages: number; lists: number };

/** Counts the text of pages and of lists of subjects that a stream looks through from now on; the function tells and begins anew. */
async function countLooked(stream: string): Promise<() => Looked> {
  let looked: Looked = { bytes: 0, pages: 0, lists: 0 };
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    const exec = storage.sql.exec.bind(storage.sql);
    const counting: typeof storage.sql.exec = (query, ...bindings) => {
      if (readsPage(query)) {
        looked.pages += 1;
        exec<{ messages: string }>(query, ...bindings)
          .toArray()
          .forEach(({ messages }) => (looked.bytes += messages.length));
      } else if (query.includes("length(subjects)")) {
        looked.lists += 1;
        exec<{ size: number }>(query, ...bindings)
          .toArray()
          .forEach(({ size }) => (looked.bytes += size));
      }
      return exec<never>(query, ...bindings);
    };
    Object.defineProperty(storage.sql, "exec", { configurable: true, value: counting });
  });
  return () => {
    const before = looked;
    looked = { bytes: 0, pages: 0, lists: 0 };
    return before;
  };
}

/** A stream with messages, and consumers that are behind, each with another filter. */
async function streamBehind(client: TestClient, stream: string, messages: number, consumers: number): Promise<void> {
  await publish(client, stream, range(1, messages));
  await createEach(client, stream, range(0, consumers - 1), (index) => `*.k${index}`);
}

async function createEach(
  client: TestClient,
  stream: string,
  indexes: readonly number[],
  filterOf: (index: number) => string,
): Promise<void> {
  await Promise.all(
    indexes.map((index) =>
      client.call("createConsumer", { stream, consumer: `c${index}`, from: "first", filter: filterOf(index) }),
    ),
  );
  await Promise.all(indexes.map((index) => counted(client, stream, `c${index}`)));
}

async function publish(client: TestClient, stream: string, sequences: readonly number[]): Promise<void> {
  for (let done = 0; done < sequences.length; done += 100) {
    await publishSubjects(client, stream, sequences.slice(done, done + 100).map(subjectOf));
  }
}

/** What a consumer has lost when all through a sequence is deleted, exactly. */
function lostThrough(through: number, index: number) {
  const gone = range(1, through).filter((sequence) => sequence % KINDS === index);
  return gone.length === 0 ? undefined : { from: gone.at(0), to: gone.at(-1), total: gone.length };
}

it("looks through no more for a hundred consumers than for a few, and says whose count is an estimate", async () => {
  const client = await connect();
  const stream = "trim-bound";
  await streamBehind(client, stream, 3_500, LIMITS.consumers);
  const looked = await countLooked(stream);

  await client.call("deleteMessages", { stream, through: 3_000 });

  expect(looked().bytes).toBeLessThanOrEqual(TRIM_BYTES);
  const { consumers } = await client.call("listConsumers", { stream });
  expect(consumers).toHaveLength(LIMITS.consumers);
  for (const { consumer, lost } of consumers) {
    const exact = lostThrough(3_000, Number(consumer.slice(1)));
    if (lost?.totalIsEstimate === true) {
      expect(lost.total).toBeLessThanOrEqual(exact?.total ?? 0);
    } else {
      expect(lost).toEqual(exact);
    }
  }
});

it("reads once for all what each publish drops by retention, and counts it exactly", async () => {
  const client = await connect();
  const stream = "trim-each-publish";
  await streamBehind(client, stream, 1_000, LIMITS.consumers);
  await client.call("configureStream", { stream, maxMessages: 1_000 });
  const looked = await countLooked(stream);

  for (const sequence of range(1_001, 1_040)) {
    await client.call("publish", { stream, data: sequence, subject: subjectOf(sequence) });
  }

  const { pages, lists } = looked();
  expect({ pages, lists }).toEqual({ pages: 1, lists: 0 });
  const { consumers } = await client.call("listConsumers", { stream });
  expect(consumers.map(({ lost }) => lost)).toEqual(
    consumers.map(({ consumer }) => lostThrough(40, Number(consumer.slice(1)))),
  );
});

it("counts exactly for each of a few consumers what one publish drops, however much that is", async () => {
  const client = await connect();
  const stream = "trim-few";
  await streamBehind(client, stream, 2_000, 4);
  await client.call("configureStream", { stream, maxMessages: 2_000 });

  // As much as a batch may have.
  await client.call("publishBatch", {
    stream,
    messages: range(2_001, 2_500).map((sequence) => ({ data: "d".repeat(1_500), subject: subjectOf(sequence) })),
  });

  const { consumers } = await client.call("listConsumers", { stream });
  expect(consumers.map(({ lost }) => lost)).toEqual(range(0, 3).map((index) => lostThrough(500, index)));
});

it("shares the count among consumers with the same filter at the same place", async () => {
  const client = await connect();
  const stream = "trim-same-filter";
  await publish(client, stream, range(1, 4_000));
  await createEach(client, stream, range(1, LIMITS.consumers), () => "*.k7");
  const looked = await countLooked(stream);

  await client.call("deleteMessages", { stream, through: 3_000 });

  expect(looked().bytes).toBeLessThanOrEqual(TRIM_BYTES);
  const { consumers } = await client.call("listConsumers", { stream });
  expect(consumers.map(({ lost }) => lost)).toEqual(consumers.map(() => lostThrough(3_000, 7)));
});
