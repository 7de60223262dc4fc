import { useState } from "preact/hooks";

import { visible } from "./format.ts";

/** What is shown at once of an array or object, and of a text. */
const PAGE_ENTRIES = 100;
const PAGE_CHARACTERS = 2_000;

type JsonProps = {
  readonly value: unknown;
  /** Levels that are open at first. */
  readonly depth?: number;
  /** The key or index of the value within what holds it. */
  readonly name?: string | undefined;
};

/** JSON as text, with arrays and objects to fold. What is folded is not in the page. */
export function Json({ value, depth = 2, name }: JsonProps) {
  if (typeof value === "object" && value !== null) {
    return <Fold value={value} depth={depth} name={name} />;
  }
  return (
    <div class="json-row">
      <Name name={name} />
      <Scalar value={value} />
    </div>
  );
}

function Fold({ value, depth, name }: { value: object; depth: number; name: string | undefined }) {
  const [isOpen, setOpen] = useState(depth > 0);
  const [shown, setShown] = useState(PAGE_ENTRIES);
  const isArray = Array.isArray(value);
  const entries = Object.entries(value);
  const [opening, closing] = isArray ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div class="json-row">
        <Name name={name} />
        {`${opening}${closing}`}
      </div>
    );
  }
  return (
    <details class="json-fold" open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <Name name={name} />
        {isOpen ? opening : `${opening} … ${closing}`}
        <small>{countOf(entries.length, isArray)}</small>
      </summary>
      {isOpen && (
        <div class="json-entries">
          {entries.slice(0, shown).map(([key, each]) => (
            <Json key={key} name={isArray ? key : JSON.stringify(key)} value={each} depth={depth - 1} />
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

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span class="json-name">{visible(name)}: </span>;
}

function Scalar({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  const text = visible(JSON.stringify(value) ?? "");
  const isLong = text.length > PAGE_CHARACTERS && !isWhole;
  return (
    <>
      <span class={`json-${value === null ? "null" : typeof value}`}>
        {isLong ? `${text.slice(0, PAGE_CHARACTERS)}…` : text}
      </span>
      {isLong && (
        <button type="button" class="quiet" onClick={() => setWhole(true)}>
          all {text.length} characters
        </button>
      )}
    </>
  );
}
