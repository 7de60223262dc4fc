import { useEffect, useState } from "preact/hooks";

import { cut, findIn } from "./find.ts";
import { Marked } from "./marked.tsx";

/** What is shown at once of an array or object, and of a text. */
const PAGE_ENTRIES = 100;
const PAGE_CHARACTERS = 2_000;

type JsonProps = {
  readonly value: unknown;
  /** Levels that are open at first. */
  readonly depth?: number;
  /** The key or index of the value within what holds it. */
  readonly name?: string | undefined;
  /** What is looked for: marked, and what holds it is opened. */
  readonly query?: string;
};

/** JSON as text, with arrays and objects to fold. What is folded is not in the page. */
export function Json({ value, depth = 2, name, query = "" }: JsonProps) {
  if (typeof value === "object" && value !== null) {
    return <Fold value={value} depth={depth} name={name} query={query} />;
  }
  return (
    <div class="json-row">
      <Name name={name} query={query} />
      <Scalar value={value} query={query} />
    </div>
  );
}

type FoldProps = Required<Omit<JsonProps, "name" | "value">> & { value: object; name: string | undefined };

function Fold({ value, depth, name, query }: FoldProps) {
  const [isOpen, setOpen] = useState(depth > 0);
  const [shown, setShown] = useState(PAGE_ENTRIES);
  const isArray = Array.isArray(value);
  const entries = Object.entries(value);
  useEffect(() => {
    const last = query === "" ? -1 : entries.findLastIndex((entry) => hasText(entry, query));
    if (last !== -1) {
      setOpen(true);
      setShown((before) => Math.max(before, last + 1));
    }
  }, [value, query]);
  const [opening, closing] = isArray ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div class="json-row">
        <Name name={name} query={query} />
        {`${opening}${closing}`}
      </div>
    );
  }
  return (
    <details class="json-fold" open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <Name name={name} query={query} />
        {isOpen ? opening : `${opening} … ${closing}`}
        <small>{countOf(entries.length, isArray)}</small>
      </summary>
      {isOpen && (
        <div class="json-entries">
          {entries.slice(0, shown).map(([key, each]) => (
            <Json key={key} name={isArray ? key : JSON.stringify(key)} value={each} depth={depth - 1} query={query} />
          ))}
          {entries.length > shown && (
            <button type="button" class="quiet" onClick={() => setShown(shown + PAGE_ENTRIES)}>
              {entries.length - shown} more
            </button>
          )}
          <div class="json-row">{closing}</div>
        </div>
      )}
    </details>
  );
}

function countOf(count: number, isArray: boolean): string {
  const what = isArray ? ["item", "items"] : ["field", "fields"];
  return `${count} ${count === 1 ? what[0] : what[1]}`;
}

/** Whether a key or what it holds has a text. */
function hasText(entry: [string, unknown], query: string): boolean {
  try {
    return findIn(JSON.stringify(entry), query) !== -1;
  } catch {
    // Safe: it is nested too deeply to be looked through, and is not opened.
    return false;
  }
}

function Name({ name, query }: { name: string | undefined; query: string }) {
  return name === undefined ? null : (
    <span class="json-name">
      <Marked text={name} query={query} />:{" "}
    </span>
  );
}

function Scalar({ value, query }: { value: unknown; query: string }) {
  return (
    <span class={`json-${value === null ? "null" : typeof value}`}>
      <LongText text={JSON.stringify(value) ?? ""} query={query} />
    </span>
  );
}

/** A text whose rest is shown when somebody asks for it. */
export function LongText({ text, query = "" }: { text: string; query?: string }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = text.length > PAGE_CHARACTERS && !isWhole;
  return (
    <>
      <Marked text={isLong ? `${cut(text, PAGE_CHARACTERS)}…` : text} query={query} />
      {isLong && (
        <button type="button" class="quiet" onClick={() => setWhole(true)}>
          all {text.length} characters
        </button>
      )}
    </>
  );
}
