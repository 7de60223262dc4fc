/**
 * The versions of the tables of a Durable Object.
 *
 * Code meets tables of a later version than its own: after a roll-back, and while an update is deferred or deployed by
 * degrees (developers.cloudflare.com/durable-objects/deployments/durable-objects-code-updates,
 * developers.cloudflare.com/workers/versions-and-deployments/gradual-deployments/with-durable-objects). It leaves their
 * version as it is and works with them. Three rules make that possible:
 *
 * - A migration only adds: tables, indexes, and columns that may be null or have a default. A table or column that nobody
 *   uses any more stays, and what a column means never changes: a new meaning is a new column.
 * - Statements name their columns: no `SELECT *`, no INSERT without a list.
 * - A migration does no harm when it runs again, whatever was stored since. The first versions wrote the version down when
 *   they met a later one, so there are streams whose tables are ahead of their version.
 *
 * The same holds of what is stored as JSON, and of the keys of `storage.kv`: objects get more fields, arrays grow at their
 * end, and a reader passes over what it does not know.
 */

/** One step from a version to the next. It runs within a transaction. */
export type Migration = (sql: SqlStorage) => void;

/** Tells whether there are tables that {@link migrate} has made. */
export function hasSchema(sql: SqlStorage): boolean {
  return sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").toArray().length > 0;
}

/**
 * Brings the tables up to the version of the code, all or nothing; those of a later version stay as they are.
 *
 * @param migrations From no tables on, in their order. Append only.
 */
export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[]): void {
  const { sql } = storage;
  const version = versionOf(sql);
  if (version >= migrations.length) {
    return;
  }
  storage.transactionSync(() => {
    // PRAGMA user_version is not allowed in a Durable Object, so the version has a table of its own.
    sql.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
    for (const step of migrations.slice(version)) {
      step(sql);
    }
    sql.exec("DELETE FROM schema_version");
    sql.exec("INSERT INTO schema_version (version) VALUES (?)", migrations.length);
  });
}

/** Tells whether a table has a column: SQLite has no `ADD COLUMN IF NOT EXISTS`. */
export function hasColumn(sql: SqlStorage, table: string, column: string): boolean {
  return sql
    .exec<{ name: string }>(`PRAGMA table_info(${table})`)
    .toArray()
    .some(({ name }) => name === column);
}

function versionOf(sql: SqlStorage): number {
  const [row] = hasSchema(sql) ? sql.exec<{ version: number }>("SELECT version FROM schema_version").toArray() : [];
  return row?.version ?? 0;
}
