/**
 * A replica that starts from a checkpoint. The primary publishes every change, and now and then stores a snapshot, notes
 * in the stream's state which messages it covers, and has those deleted, the last two in one transaction. A replica
 * reads the state, then the snapshot, then everything after it.
 *
 *     STREAM_URL=http://127.0.0.1:8787 API_KEY=… node test/examples/replica.ts
 *
 * In a project of its own, the import is "durable-stream/client".
 */
import { DurableStream } from "../../rpc/client.ts";

type Change = { key: string; value: number };
/** The state of the stream: where the snapshot is, and the last message in it. */
type Checkpoint = { snapshot: string; through: number };

const stream = `accounts-${crypto.randomUUID()}`;
const options = { url: process.env["STREAM_URL"] ?? "", token: process.env["API_KEY"] ?? "" };

function contentOf(table: ReadonlyMap<string, number>): string {
  return JSON.stringify([...table].toSorted(([a], [b]) => a.localeCompare(b)));
}

class Primary {
  readonly #client = new DurableStream(options);
  readonly #table = new Map<string, number>();
  #last = 0;

  async change(change: Change): Promise<void> {
    const { sequence } = await this.#client.publish({ stream, data: change });
    this.#table.set(change.key, change.value);
    this.#last = sequence;
  }

  async checkpoint(): Promise<number> {
    const through = this.#last;
    const snapshot = `${stream}/${through}.json`;
    await this.#client.putObject({ key: snapshot, data: this.content() });
    const { revision } = await this.#client.getState({ stream });
    const state: Checkpoint = { snapshot, through };
    const { deleted } = await this.#client.checkpoint({ stream, state, through, expectedRevision: revision });
    return deleted;
  }

  content(): string {
    return contentOf(this.#table);
  }

  get last(): number {
    return this.#last;
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

class Replica {
  readonly #client = new DurableStream(options);
  readonly #end = new AbortController();
  readonly #reached = new Map<number, () => void>();
  #table = new Map<string, number>();
  #at = 0;
  /** How many changes came one by one, not in a snapshot. */
  applied = 0;

  /** Follows until {@link close}; starts over when a checkpoint has deleted what it had not read yet. */
  async run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#load();
      await this.#follow();
    }
  }

  async #load(): Promise<void> {
    const { state } = await this.#client.getState({ stream });
    const checkpoint = state as Checkpoint | null;
    if (checkpoint !== null) {
      const { data } = await this.#client.getObject({ key: checkpoint.snapshot });
      this.#table = new Map(JSON.parse(data) as [string, number][]);
      this.#at = checkpoint.through;
    }
  }

  async #follow(): Promise<void> {
    const from = { sequence: this.#at + 1 };
    for await (const event of this.#client.subscribe({ stream, from }, { signal: this.#end.signal })) {
      if (event.type !== "message") {
        return;
      }
      const { key, value } = event.data as Change;
      this.#table.set(key, value);
      this.#at = event.sequence;
      this.applied += 1;
      this.#reached.get(event.sequence)?.();
    }
  }

  /** Waits until a message is applied. */
  until(sequence: number): Promise<void> {
    return this.#at >= sequence ? Promise.resolve() : new Promise((resolve) => this.#reached.set(sequence, resolve));
  }

  content(): string {
    return contentOf(this.#table);
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#client.close();
  }
}

const primary = new Primary();
for (let count = 1; count <= 30; count += 1) {
  await primary.change({ key: `account-${count % 10}`, value: count });
}
const deleted = await primary.checkpoint();
await primary.change({ key: "account-0", value: 1_000 });

const replica = new Replica();
const running = replica.run();
await primary.change({ key: "account-new", value: 1 });
await replica.until(primary.last);

const isEqual = replica.content() === primary.content();
console.log(JSON.stringify({ deleted, applied: replica.applied, at: primary.last, isEqual }));
await Promise.all([replica.close(), running, primary.close()]);
