import type { MessageRow, Row } from "./rows.ts";

/** Where a query is in a text: runs of it, of which every second one is found; the first is not, and may be empty. */
export function partsOf(text: string, query: string): readonly string[] {
  if (query === "") {
    return [text];
  }
  const lower = foldedCase(text);
  const wanted = foldedCase(query);
  const parts: string[] = [];
  let from = 0;
  for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), text.slice(at, at + wanted.length));
    from = at + wanted.length;
  }
  parts.push(text.slice(from));
  return parts;
}

/** Where a query first is in a text; -1 when it is not. */
export function findIn(text: string, query: string): number {
  return foldedCase(text).indexOf(foldedCase(query));
}

/** Whether a row has a text in its data, subject, headers or id. */
export function hasText(row: Row, query: string): row is MessageRow {
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

/** Lower case of the same length, so that places in it are places in the text. */
function foldedCase(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}
