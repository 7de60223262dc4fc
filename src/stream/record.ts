import { STREAM_DEFAULTS } from "../../rpc/index.ts";
import type { ConfigureStreamParams, PutStateResult, StreamConfig } from "../../rpc/index.ts";
import { branchedEpoch, newEpoch } from "../internal/epoch.ts";

import type { StreamRow } from "./schema.ts";

type ConfigChanges = Omit<ConfigureStreamParams, "stream">;

/** What is kept in memory of the stream's row. */
type KeptRow = Pick<StreamRow, "name" | "epoch" | "created_at" | "config" | "revision" | "listed_epoch" | "deletions">;

/**
 * The stream's own row: identity, config, state. It owns the table `stream`, except for the floor's columns (see
 * `Log`).
 */
export class StreamRecord {
  readonly #sql: SqlStorage;
  readonly name: string;
  readonly epoch: string;
  readonly createdAt: number;
  #config: StreamConfig;
  #revision: number;
  #listedEpoch: string | null;
  #deletions: number;

  private constructor(sql: SqlStorage, row: KeptRow) {
    this.#sql = sql;
    this.name = row.name;
    this.epoch = row.epoch;
    this.createdAt = row.created_at;
    // Written by configure() from a validated config.
    const config: Partial<StreamConfig> = JSON.parse(row.config);
    this.#config = { ...STREAM_DEFAULTS, ...config };
    this.#revision = row.revision;
    this.#listedEpoch = row.listed_epoch;
    this.#deletions = row.deletions;
  }

  /** Reads the row of a stream that exists. */
  static load(sql: SqlStorage): StreamRecord {
    const row = sql
      .exec<KeptRow>("SELECT name, epoch, created_at, config, revision, listed_epoch, deletions FROM stream")
      .one();
    return new StreamRecord(sql, row);
  }

  /** Creates the stream, with a new epoch. */
  static create(sql: SqlStorage, name: string, nowMs: number): void {
    sql.exec(
      `INSERT INTO stream (name, epoch, created_at, config, state, revision, deleted_through, clock_at, hole_bytes)
       VALUES (?, ?, ?, '{}', 'null', 0, 0, 0, 0)`,
      name,
      newEpoch(),
      nowMs,
    );
  }

  /** Gives a stream that was restored to an earlier state a new epoch. Load the record again after that. */
  branch(): void {
    this.#sql.exec("UPDATE stream SET epoch = ?", branchedEpoch(this.epoch));
  }

  /** Whether the Directory knows this epoch, and no deletion has begun since. */
  get isListed(): boolean {
    return this.#listedEpoch === this.epoch;
  }

  /** How many deletions have begun. */
  get deletions(): number {
    return this.#deletions;
  }

  /** Notes that the Directory knows this epoch. */
  noteListed(): void {
    this.#sql.exec("UPDATE stream SET listed_epoch = ?", this.epoch);
    this.#listedEpoch = this.epoch;
  }

  /** Notes that a deletion begins: unless it is done, the Directory has to be told again that the stream exists. */
  beginDeletion(): void {
    this.#sql.exec("UPDATE stream SET listed_epoch = NULL, deletions = deletions + 1");
    this.#listedEpoch = null;
    this.#deletions += 1;
  }

  get config(): StreamConfig {
    return this.#config;
  }

  /** How often the state was put. */
  get revision(): number {
    return this.#revision;
  }

  /** JSON text of the state document. */
  state(): string {
    return this.#sql.exec<Pick<StreamRow, "state">>("SELECT state FROM stream").one().state;
  }

  /** Replaces the state document and returns its new revision. */
  putState(state: string): PutStateResult {
    this.#revision += 1;
    this.#sql.exec("UPDATE stream SET state = ?, revision = ?", state, this.#revision);
    return { epoch: this.epoch, revision: this.#revision };
  }

  /** Changes config fields: one that is left out stays as it is, null resets it to its default. */
  configure(changes: ConfigChanges): void {
    const fields: Record<string, unknown> = { ...this.#config };
    for (const [field, value] of Object.entries(changes)) {
      if (value === null) {
        delete fields[field];
      } else if (value !== undefined) {
        fields[field] = value;
      }
    }
    this.#config = { ...STREAM_DEFAULTS, ...fields };
    this.#sql.exec("UPDATE stream SET config = ?", JSON.stringify(fields));
  }
}
