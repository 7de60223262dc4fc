import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

/** A statement that a stream has made. Rows of one that reads are known when they were read, and only within the object. */
export type Statement = {
  readonly query: string;
  readonly bindings: readonly unknown[];
  readonly cursor: { readonly rowsRead: number; readonly rowsWritten: number };
};

/** Tells each statement that a stream makes from now on. */
export async function watchStatements(stream: string, told: (statement: Statement) => void): Promise<void> {
  await runInDurableObject(env.STREAM.getByName(stream), (_object, { storage: { sql } }) => {
    const exec = sql.exec.bind(sql);
    const telling: typeof sql.exec = (query, ...bindings) => {
      const cursor = exec<never>(query, ...bindings);
      told({ query, bindings, cursor });
      return cursor;
    };
    Object.defineProperty(sql, "exec", { configurable: true, value: telling });
  });
}

/** Counts the statements that a stream makes from now on, of those that count; the function tells how many. */
export async function countStatements(stream: string, isCounted: (query: string) => boolean): Promise<() => number> {
  let statements = 0;
  await watchStatements(stream, ({ query }) => (statements += isCounted(query) ? 1 : 0));
  return () => statements;
}

/**
 * Counts the rows that statements read from now on, of those that count, as the runtime does; the function tells how many, and
 * begins anew.
 */
export async function countRowsRead(
  stream: string,
  isCounted: (query: string) => boolean,
): Promise<() => Promise<number>> {
  const cursors: Statement["cursor"][] = [];
  await watchStatements(stream, ({ query, cursor }) => {
    if (isCounted(query)) {
      cursors.push(cursor);
    }
  });
  return () =>
    runInDurableObject(env.STREAM.getByName(stream), () =>
      cursors.splice(0).reduce((sum, { rowsRead }) => sum + rowsRead, 0),
    );
}

/** Counts the rows that a stream writes from now on, as the runtime counts and bills them; the function tells how many. */
export async function countRowsWritten(stream: string): Promise<() => number> {
  let rows = 0;
  // Every statement that writes returns no rows in the tests that count: it is done when exec() returns.
  await watchStatements(stream, ({ cursor }) => (rows += cursor.rowsWritten));
  return () => rows;
}
