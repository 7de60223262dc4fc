import type { GetMessagesResult, Message } from "../../../rpc/index.ts";

/** A message as it is held: its data as JSON text, which is parsed when somebody opens it. */
export type MessageRow = {
  readonly kind: "message";
  readonly key: string;
  readonly epoch: string;
  readonly sequence: number;
  readonly publishedAt: number;
  readonly subject: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly id: string | undefined;
  readonly text: string;
  /** Of the data, in bytes of UTF-8. */
  readonly bytes: number;
};

/** Sequences whose messages are no longer in the stream. */
export type GapRow = {
  readonly kind: "gap";
  readonly key: string;
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
};

/** From here on the stream is another one. */
export type EpochRow = {
  readonly kind: "epoch";
  readonly key: string;
  readonly epoch: string;
  readonly reason: "deleted" | "restored";
};

export type Row = MessageRow | GapRow | EpochRow;

const UTF8 = new TextEncoder();

export function messageRow(epoch: string, message: Message): MessageRow {
  const { sequence, publishedAt, subject, headers, id, data } = message;
  const text = JSON.stringify(data);
  const bytes = UTF8.encode(text).length;
  return {
    kind: "message",
    key: `${epoch}:${sequence}`,
    epoch,
    sequence,
    publishedAt,
    subject,
    headers,
    id,
    text,
    bytes,
  };
}

export function gapRow(epoch: string, from: number, to: number): GapRow {
  // By its last sequence: it may grow at its beginning while somebody reads behind it.
  return { kind: "gap", key: `${epoch}:gap:${to}`, epoch, from, to };
}

/** What a row counts towards what is held: characters of its texts, and something for itself. */
export function weightOf(row: Row): number {
  if (row.kind !== "message") {
    return 100;
  }
  const headers = Object.entries(row.headers ?? {}).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return 200 + row.text.length + headers;
}

/**
 * The rows of a page, from the sequence that it was asked from to before `end`: with a row for each run of sequences that
 * have no message. With a filter, such a run says nothing.
 */
export function rowsOfPage(
  { epoch, messages, skipped }: Pick<GetMessagesResult, "epoch" | "messages" | "skipped">,
  range: { from: number; end: number; isFiltered: boolean },
): Row[] {
  const rows: Row[] = [];
  let next = range.from;
  const missing = (to: number) => {
    if (next <= to) {
      rows.push(gapRow(epoch, next, to));
    }
  };
  if (skipped !== undefined) {
    const to = Math.min(skipped.to, range.end - 1);
    missing(to);
    next = Math.max(next, to + 1);
  }
  for (const message of messages) {
    if (!range.isFiltered) {
      missing(message.sequence - 1);
    }
    rows.push(messageRow(epoch, message));
    next = message.sequence + 1;
  }
  if (!range.isFiltered) {
    missing(range.end - 1);
  }
  return rows;
}

/** How many of rows are messages. */
export function messagesOf(rows: readonly Row[]): number {
  return rows.reduce((count, { kind }) => count + (kind === "message" ? 1 : 0), 0);
}

/** The sequence behind the last of rows. */
export function nextAfter(rows: readonly Row[], otherwise: number): number {
  const last = rows.at(-1);
  if (last === undefined || last.kind === "epoch") {
    return last === undefined ? otherwise : 1;
  }
  return last.kind === "message" ? last.sequence + 1 : last.to + 1;
}
