import type { LoadedStream } from "./loaded-stream.ts";
import { StreamRecord } from "./record.ts";
import { hasSchema, migrate } from "./schema.ts";

/**
 * Holds the stream as it stands in memory, and runs its changes: each in one transaction, after which memory and SQLite
 * say the same, whether the change was committed or undone.
 */
export class Transactor {
  readonly #storage: DurableObjectStorage;
  readonly #load: () => LoadedStream;
  #loaded: LoadedStream | undefined;

  /** @param load Reads the stream from SQLite; called only when it is there. */
  constructor(storage: DurableObjectStorage, load: () => LoadedStream) {
    this.#storage = storage;
    this.#load = load;
    if (hasSchema(storage.sql)) {
      storage.transactionSync(() => migrate(storage.sql));
      this.reload();
    }
  }

  /** The stream; undefined when it was never used. */
  get loaded(): LoadedStream | undefined {
    return this.#loaded;
  }

  /**
   * Runs a change in one transaction, in a stream that is made if there is none. The cursors of consumers that it moved
   * are written before the commit.
   */
  change<T>(stream: string, nowMs: number, act: (loaded: LoadedStream) => T): T {
    try {
      return this.#storage.transactionSync(() => {
        this.#loaded ??= this.#make(stream, nowMs);
        const changed = act(this.#loaded);
        this.#loaded.consumers.save();
        return changed;
      });
    } catch (error) {
      // Memory ran ahead of what was just undone.
      this.reload();
      throw error;
    }
  }

  /** Reads everything from SQLite again. */
  reload(): void {
    this.#loaded = hasSchema(this.#storage.sql) ? this.#load() : undefined;
  }

  /** The stream is deleted: forgets what is in memory. */
  forget(): void {
    this.#loaded = undefined;
  }

  #make(stream: string, nowMs: number): LoadedStream {
    migrate(this.#storage.sql);
    StreamRecord.create(this.#storage.sql, stream, nowMs);
    return this.#load();
  }
}
