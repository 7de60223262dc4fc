/**
 * A replica that starts from a checkpoint. The primary publishes every change, and now and then stores a snapshot, notes
 * in the stream's state which messages it covers, and has those deleted that the checkpoint before covers, the last two
 * in one transaction. A replica reads the state, then the snapshot, then everything after it; it may take as long for
 * that as the next checkpoint takes to come.
 *
 *     STREAM_URL=http://127.0.0.1:8787 API_KEY=… npx node test/examples/replica.ts
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
  #at = { epoch: "", sequence: 0 };

  async change(change: Change): Promise<void> {
    this.#at = await this.#client.publish({ stream, data: change });
    this.#table.set(change.key, change.value);
  }

  /** Returns how many messages it deleted. */
  async checkpoint(): Promise<number> {
    // Before the snapshot: should another one be taken meanwhile, the revision is over and this one is refused.
    const { state, revision } = await this.#client.getState({ stream });
    const replaced = state as Checkpoint | null;
    const { epoch, sequence } = this.#at;
    const next: Checkpoint = { snapshot: `${stream}/${epoch}/${sequence}.json`, through: sequence };
    await this.#client.putObject({ key: next.snapshot, data: this.content() });
    const { deleted } = await this.#client.checkpoint({
      stream,
      state: next,
      // What comes after the one before stays: a replica may be loading that one now.
      through: replaced?.through ?? 0,
      expectedRevision: revision,
      epoch,
    });
    return deleted;
  }

  content(): string {
    return contentOf(this.#table);
  }

  get last(): number {
    return this.#at.sequence;
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

class Replica {
  readonly #client = new DurableStream(options);
  readonly #end = new AbortController();
  readonly #reached = new Map<number, () => void>();
  readonly #whileLoading: () => Promise<void>;
  #table = new Map<string, number>();
  #at = 0;
  /** How often it began with a snapshot. */
  restores = 0;
  /** How many changes came one by one, not in a snapshot. */
  applied = 0;

  /** @param whileLoading What happens elsewhere while it loads a snapshot. */
  constructor(whileLoading: () => Promise<void>) {
    this.#whileLoading = whileLoading;
  }

  /** Follows until {@link close}; starts over when a checkpoint has deleted what it had not read yet. */
  async run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#follow(await this.#load());
    }
  }

  /** Returns the epoch of what was loaded. */
  async #load(): Promise<string | undefined> {
    const { state, epoch } = await this.#client.getState({ stream });
    const checkpoint = state as Checkpoint | null;
    this.#table = new Map();
    if (checkpoint !== null) {
      const { data } = await this.#client.getObject({ key: checkpoint.snapshot });
      await this.#whileLoading();
      this.#table = new Map(JSON.parse(data) as [string, number][]);
    }
    this.restores += 1;
    this.#reach(checkpoint?.through ?? 0);
    return epoch;
  }

  async #follow(epoch: string | undefined): Promise<void> {
    const where = { stream, from: { sequence: this.#at + 1 }, ...(epoch === undefined ? {} : { epoch }) };
    for await (const event of this.#client.subscribe(where, { signal: this.#end.signal })) {
      // A gap, or another epoch of the stream.
      if (event.type !== "message") {
        return;
      }
      const { key, value } = event.data as Change;
      this.#table.set(key, value);
      this.applied += 1;
      this.#reach(event.sequence);
    }
  }

  #reach(sequence: number): void {
    this.#at = sequence;
    for (const [awaited, resolve] of this.#reached) {
      if (awaited <= sequence) {
        this.#reached.delete(awaited);
        resolve();
      }
    }
  }

  /** Waits until it has everything up to a message. */
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
await primary.checkpoint();
await primary.change({ key: "account-0", value: 1_000 });
// It deletes what the first one covers.
const deleted = await primary.checkpoint();
await primary.change({ key: "account-1", value: 2_000 });

// A slow one: with every snapshot that it loads, the primary is one checkpoint further.
const replica = new Replica(async () => {
  await primary.change({ key: "account-2", value: 3_000 });
  await primary.checkpoint();
});
const running = replica.run();
await replica.until(primary.last);
await primary.change({ key: "account-new", value: 1 });
await replica.until(primary.last);

const isEqual = replica.content() === primary.content();
const { restores, applied } = replica;
console.log(JSON.stringify({ deleted, restores, applied, at: primary.last, isEqual }));
await Promise.all([replica.close(), running, primary.close()]);
