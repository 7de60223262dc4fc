import { findIn } from "../parts/find.ts";

import type { MessageRow, Row } from "./rows.ts";

/** Whether a row has a text in its data, subject, headers or id. */
function hasText(row: Row, query: string): row is MessageRow {
  if (row.kind !== "message") {
    return false;
  }
  return (
    findIn(row.text, query) !== -1 ||
    findIn(row.subject ?? "", query) !== -1 ||
    findIn(row.id ?? "", query) !== -1 ||
    Object.entries(row.headers ?? {}).some((header) => findIn(header.join(": "), query) !== -1)
  );
}

/** Which rows have a text: each is looked at once, however often rows come and go. */
export class Search {
  readonly query: string;
  readonly #known = new WeakMap<Row, boolean>();
  #of: readonly Row[] = [];
  #found: readonly number[] = [];

  constructor(query: string) {
    this.query = query;
  }

  has(row: Row): boolean {
    let known = this.#known.get(row);
    if (known === undefined) {
      known = hasText(row, this.query);
      this.#known.set(row, known);
    }
    return known;
  }

  /** The places of those that have it. */
  placesIn(rows: readonly Row[]): readonly number[] {
    if (rows !== this.#of) {
      this.#of = rows;
      this.#found = rows.flatMap((row, index) => (this.has(row) ? [index] : []));
    }
    return this.#found;
  }
}
