import { Component } from "preact";

import { cut, findIn } from "../../parts/find.ts";
import { formatBytes, formatNumber, formatTime } from "../../parts/format.ts";
import { Marked } from "../../parts/marked.tsx";
import type { EpochRow, GapRow, MessageRow, Row } from "../../tail/rows.ts";

import { MessageDetail } from "./detail.tsx";

/** What is shown of the data of a message that is not open. */
const LINE_CHARACTERS = 240;
/** What is shown of it before a place that was found. */
const BEFORE_CHARACTERS = 40;

export type RowProps = {
  readonly row: Row;
  readonly isOpen: boolean;
  readonly isActive: boolean;
  /** What is looked for, in rows that have it. */
  readonly query: string;
  readonly onToggle: (row: Row) => void;
  /** It has another height, by what was folded in it. */
  readonly onResize: () => void;
};

/** A row of the list. It is drawn again only when it has changed: most frames change none that was there. */
export class RowView extends Component<RowProps> {
  override shouldComponentUpdate(next: Readonly<RowProps>): boolean {
    const { row, isOpen, isActive, query, onToggle } = this.props;
    return (
      row !== next.row ||
      isOpen !== next.isOpen ||
      isActive !== next.isActive ||
      query !== next.query ||
      onToggle !== next.onToggle
    );
  }

  override render() {
    const { row } = this.props;
    return row.kind === "message" ? <Message {...this.props} row={row} /> : <Note words={wordsOf(row)} />;
  }
}

/** What has become of messages. */
function Note({ words }: { words: string }) {
  return (
    <p class="message-note" role="note">
      {words}
    </p>
  );
}

function wordsOf(row: GapRow | EpochRow): string {
  if (row.kind === "gap") {
    const { from, to } = row;
    return from === to
      ? `Message ${from} is no longer in the stream.`
      : `Messages ${from} to ${to} are no longer in the stream (${formatNumber(to - from + 1)}).`;
  }
  return row.reason === "deleted"
    ? "The stream was deleted and made again. From here on it is another one, and its sequences begin anew."
    : "The stream was put back to an earlier state. From here on it is read anew, from its first message.";
}

function Message({ row, isOpen, isActive, query, onToggle, onResize }: Omit<RowProps, "row"> & { row: MessageRow }) {
  const { sequence, publishedAt, subject, bytes } = row;
  return (
    <article
      class={`message${isOpen ? " open" : ""}${isActive ? " active" : ""}`}
      aria-posinset={sequence}
      aria-setsize={-1}
      aria-label={`Message ${sequence}`}
      data-sequence={sequence}
    >
      <button
        type="button"
        class="message-line"
        tabIndex={isActive ? 0 : -1}
        aria-expanded={isOpen}
        onClick={() => onToggle(row)}
      >
        <span class="message-sequence">{sequence}</span>
        <MessageTime at={publishedAt} />
        <span class="message-subject">
          <Marked text={subject ?? ""} query={query} />
        </span>
        <span class="message-size">{formatBytes(bytes)}</span>
        <span class="message-data">
          <Marked text={lineOf(row.text, query)} query={query} />
        </span>
      </button>
      {isOpen && <MessageDetail row={row} query={query} onResize={onResize} />}
    </article>
  );
}

/** The time of day with its milliseconds; hovering shows it whole, in UTC. */
function MessageTime({ at }: { at: number }) {
  const utc = new Date(at).toISOString();
  return (
    <time dateTime={utc} title={utc}>
      {formatTime(at)}
      <small>.{String(at % 1_000).padStart(3, "0")}</small>
    </time>
  );
}

/** As much of a text as a line has, and of where it was found. */
function lineOf(text: string, query: string): string {
  const at = query === "" ? -1 : findIn(text, query);
  const isFar = at + query.length > LINE_CHARACTERS;
  const from = isFar ? cut(text, at - BEFORE_CHARACTERS).length : 0;
  const rest = text.slice(from, from + LINE_CHARACTERS + 1);
  const line = rest.length > LINE_CHARACTERS ? `${cut(rest, LINE_CHARACTERS)}…` : rest;
  return isFar ? `…${line}` : line;
}
