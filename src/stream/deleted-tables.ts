/**
 * What a turn deletes: it ends when it has deleted so many rows or freed so many bytes. Rows are of any size up to 1 MiB,
 * so few are deleted by each statement of a turn. SQLite reads each page that it frees: 8 MiB take it 5 to 10 ms.
 */
const TURN = { rows: 500, bytes: 1_048_576, rowsOfStatement: 8 };

/** `storage.deleteAll()` unlinks the file of the database, which holds up the whole isolate: 64 MiB take about 20 ms. */
const MOST_AT_ONCE_BYTES = 33_554_432;

const MARK = "deleted";

/**
 * The tables of streams that were deleted, as long as they have rows.
 *
 * To delete a gigabyte at once would hold up the isolate, be it by DELETE, DROP TABLE or `deleteAll()`. So a stream's tables
 * are renamed, which takes a millisecond whatever their size: the stream is gone, and can be made anew at once. The rows
 * go in turns beside a new life of the stream, or all by `deleteAll()` when there is none. Tables must not have named
 * indexes: these would keep their names.
 */
export class DeletedTables {
  readonly #sql: SqlStorage;
  #isLeft = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.look();
  }

  /** Looks what is left. */
  look(): void {
    this.#isLeft = this.#names().length > 0;
  }

  /** Whether there may be rows for {@link sweep} to delete. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Whether all that is stored is so little that it may be deleted at once. */
  get isLittle(): boolean {
    return this.#sql.databaseSize <= MOST_AT_ONCE_BYTES;
  }

  /** UTF-8 bytes of the messages in the rows that are left, those deleted one by one included. */
  get messageBytes(): number {
    const batches = this.#isLeft ? this.#names().filter((name) => name.endsWith(" batches")) : [];
    return batches.reduce((sum, name) => sum + this.#messageBytesOf(name), 0);
  }

  /**
   * Takes all tables there are from the stream. Runs within a transaction.
   *
   * @param epoch Of the stream: no other has it.
   */
  add(epoch: string): void {
    for (const name of this.#tables(`NOT GLOB '${MARK} *'`)) {
      this.#sql.exec(`ALTER TABLE "${name}" RENAME TO "${MARK} ${epoch} ${name}"`);
    }
    this.#isLeft = true;
  }

  /** Deletes as many rows as do not hold up the stream. Runs within a transaction. */
  sweep(): void {
    const names = this.#names();
    // Only here, where nothing is changed that could be rolled back.
    this.#isLeft = names.length > 0;
    const before = this.#sql.databaseSize;
    let rows = 0;
    for (const name of names) {
      const query = this.#deleteSome(name);
      for (let deleted = -1; deleted !== 0; rows += deleted) {
        if (rows >= TURN.rows || before - this.#sql.databaseSize >= TURN.bytes) {
          return;
        }
        deleted = this.#sql.exec(query).toArray().length;
      }
      this.#sql.exec(`DROP TABLE "${name}"`);
    }
  }

  /** All that was stored is about to be deleted at once. */
  forget(): void {
    this.#isLeft = false;
  }

  /** The statement that deletes the first rows of a table. */
  #deleteSome(name: string): string {
    const columns = this.#sql.exec<{ name: string; pk: number }>(`PRAGMA table_info("${name}")`).toArray();
    const key = columns.filter(({ pk }) => pk > 0).map((column) => column.name);
    const columnsOfKey = key.length === 0 ? "rowid" : key.join();
    const first = `SELECT ${columnsOfKey} FROM "${name}" LIMIT ${TURN.rowsOfStatement}`;
    return `DELETE FROM "${name}" WHERE (${columnsOfKey}) IN (${first}) RETURNING 1`;
  }

  #messageBytesOf(name: string): number {
    return this.#sql
      .exec<{ bytes: number }>(
        `SELECT COALESCE(
           (SELECT end_bytes FROM "${name}" ORDER BY first_sequence DESC LIMIT 1) -
           (SELECT end_bytes - bytes FROM "${name}" ORDER BY first_sequence LIMIT 1), 0) AS bytes`,
      )
      .one().bytes;
  }

  #names(): string[] {
    return this.#tables(`GLOB '${MARK} *'`);
  }

  /** Without those of SQLite and of the runtime. */
  #tables(condition: string): string[] {
    return this.#sql
      .exec<{ name: string }>(
        `SELECT name FROM sqlite_master
         WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name ${condition}`,
      )
      .toArray()
      .map(({ name }) => name);
  }
}
