import { hasSchema, migrate } from "../platform/schema.ts";

import { DeletedTables } from "./deleted-tables.ts";
import { StreamRecord } from "./record.ts";
import { MIGRATIONS } from "./schema.ts";

/** What a transactor holds: everything that is kept in memory of a stream. */
type InMemory = {
  readonly consumers: {
    /** Writes what changed in memory; the last step of each transaction. */
    save(): void;
  };
};

/**
 * Holds a stream in memory and runs its changes, each in one transaction. After each, committed or rolled back, memory
 * and SQLite say the same.
 */
export class Transactor<Loaded extends InMemory> {
  readonly #storage: DurableObjectStorage;
  readonly #load: () => Loaded;
  readonly #begun: () => void;
  /** Those of the lives before this one. */
  readonly deleted: DeletedTables;
  #loaded: Loaded | undefined;

  /**
   * @param load Reads the stream from SQLite; called only when it is there.
   * @param begun Called when an epoch has begun; what it writes at once is of the same commit.
   */
  constructor(storage: DurableObjectStorage, load: (transactor: Transactor<Loaded>) => Loaded, begun: () => void) {
    this.#storage = storage;
    this.#load = () => load(this);
    this.#begun = begun;
    this.deleted = new DeletedTables(storage.sql);
    if (hasSchema(storage.sql)) {
      migrate(storage, MIGRATIONS);
      this.reload();
    }
  }

  /** The stream; undefined when it was never used. It is another object after a transaction that failed. */
  get loaded(): Loaded | undefined {
    return this.#loaded;
  }

  /**
   * Runs a change in one transaction and creates the stream if there is none. The cursors of consumers that moved are
   * written before the commit.
   *
   * @param nowMs When the stream is created, if it is.
   */
  change<T>(stream: string, nowMs: number, act: (loaded: Loaded) => T): T {
    const isNew = this.#loaded === undefined;
    try {
      return this.#storage.transactionSync(() => {
        this.#loaded ??= this.#create(stream, nowMs);
        const changed = act(this.#loaded);
        this.#loaded.consumers.save();
        return changed;
      });
    } catch (error) {
      // Memory holds changes that were rolled back.
      this.reload();
      throw error;
    } finally {
      if (isNew && this.#loaded !== undefined) {
        this.#begun();
      }
    }
  }

  /** Reads everything from SQLite again. */
  reload(): void {
    this.#loaded = hasSchema(this.#storage.sql) ? this.#load() : undefined;
  }

  /** Reads everything from SQLite again, after a change that has given the stream another epoch. */
  reloadBranched(): void {
    this.reload();
    this.#begun();
  }

  /**
   * Deletes the stream, which may be made anew at once. When it stores much, its tables are left to {@link deleted}.
   *
   * @param epoch Of the stream.
   */
  async delete(epoch: string): Promise<void> {
    if (this.deleted.isLittle) {
      this.#loaded = undefined;
      await this.#storage.deleteAll();
    } else {
      this.#storage.transactionSync(() => this.deleted.add(epoch));
      this.#loaded = undefined;
    }
  }

  #create(stream: string, nowMs: number): Loaded {
    migrate(this.#storage, MIGRATIONS);
    StreamRecord.create(this.#storage.sql, stream, nowMs);
    return this.#load();
  }
}
