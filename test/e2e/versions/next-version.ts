/** A later version of the Worker: made of the sources of this one, with more in all that is stored and said. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { makeCheckout } from "../server/checkout.ts";

const run = promisify(execFile);

/** A text of a source, and what stands there in the later version. */
type Change = readonly [file: string, text: string | RegExp, later: string];

/** A migration that adds a column, and what is in it for each row. */
const addColumn = (table: string) => `$&
  (sql) => {
    if (!sql.exec("PRAGMA table_info(${table})").toArray().some(({ name }) => name === "later")) {
      sql.exec("ALTER TABLE ${table} ADD COLUMN later TEXT NOT NULL DEFAULT 'later'");
    }
  },`;

/** The migrations of a schema, up to the bracket that ends them. */
const MIGRATIONS = /export const MIGRATIONS: readonly Migration\[\] = \[[^]*?(?=\n\];)/;

const CHANGES: readonly Change[] = [
  // Tables.
  ["src/stream/schema.ts", MIGRATIONS, addColumn("batches")],
  ["src/gateway/schema.ts", MIGRATIONS, addColumn("subscriptions")],
  ["src/objects/upload/schema.ts", MIGRATIONS, addColumn("parts")],
  ["src/directory/schema.ts", MIGRATIONS, addColumn("streams")],
  // What is stored otherwise.
  ["src/gateway/attachment.ts", "lastSubscription: 0,", "$& later: { note: 1 },"],
  ["src/gateway/streams/subscription.ts", "...this.#window.toStored()]", "...this.#window.toStored(), 7]"],
  [
    "src/gateway/consumers/subscription.ts",
    "return [this.spec.id, this.#previous];",
    "return [this.spec.id, this.#previous, 7];",
  ],
  [
    "src/stream/consumers/cursor/cursor.ts",
    "lost: this.#lost, holders, reached, runs }",
    "lost: this.#lost, holders, reached, runs, later: 1 }",
  ],
  // What objects say to each other.
  [
    "src/publishing/publish-call.ts",
    "{ stream, bodies: [], bytes: [], counts: [] }",
    "{ stream, bodies: [], bytes: [], counts: [], later: { note: 1 } }",
  ],
  ["src/stream/admission/admission.ts", "{ epoch, publishedAt: now, firstSequences,", "$& later: { note: 1 },"],
  [
    "src/stream/fan-out.ts",
    "{ ...range, ...identity, previous: range.first - 1, previousPublishedAt }",
    "{ ...range, ...identity, previous: range.first - 1, previousPublishedAt, ...{ later: { note: 1 } } }",
  ],
  [
    "src/stream/consumers/delivery/pusher.ts",
    "deliverConsumer({ stream, epoch, batches, takesFull: true })",
    "deliverConsumer({ stream, epoch, batches, takesFull: true, later: 1 })",
  ],
  ["src/stream/listing.ts", "deletions, exists }", "deletions, exists, ...{ later: 1 } }"],
  ["src/gateway/streams/feeds.ts", "at.from, at.epoch)", "at.from, at.epoch, 'later')"],
  [
    "src/gateway/consumers/subscriptions.ts",
    "{ consumer, gateway, holder, maxInFlight, ...",
    "{ consumer, gateway, holder, maxInFlight, ...{ later: 1 }, ...",
  ],
  [
    "src/gateway/consumers/ack-batcher.ts",
    "applyAcks(epoch, commands, seen)",
    "applyAcks(epoch, commands, seen, 'later')",
  ],
];

/**
 * Builds the later version.
 *
 * @param folder An empty one, for its sources and the built Worker.
 * @returns The folder of the Worker, as `builtWorker` does.
 */
export async function buildNextVersion(folder: string): Promise<string> {
  const checkout = join(folder, "checkout");
  await makeCheckout(checkout);
  for (const [name, text, later] of CHANGES) {
    const file = join(checkout, name);
    const before = await readFile(file, "utf8");
    const after = before.replace(text, later);
    if (after === before) {
      throw new Error(`${name} has no longer what the later version changes: ${String(text)}`);
    }
    await writeFile(file, after);
  }
  const worker = join(folder, "worker");
  await run(process.execPath, [join(checkout, "scripts/server/build.ts"), worker], { cwd: checkout });
  return worker;
}
