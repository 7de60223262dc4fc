import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { formatBytes, formatNumber, formatTime } from "../../parts/format.ts";
import { Json, LongText } from "../../parts/json.tsx";
import { Marked } from "../../parts/marked.tsx";
import type { MessageRow } from "../../tail/rows.ts";

type DetailProps = { readonly row: MessageRow; readonly query: string; readonly onResize: () => void };

/** All that a message holds: its data as a tree or as it is stored, its headers, and what it is known by. */
export function MessageDetail({ row, query, onResize }: DetailProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const observer = new ResizeObserver(onResize);
    if (box.current !== null) {
      observer.observe(box.current);
    }
    return () => observer.disconnect();
  }, [onResize]);
  const [isTree, setTree] = useState(true);
  const value = useMemo<unknown>(() => JSON.parse(row.text), [row]);
  const headers = Object.entries(row.headers ?? {});
  return (
    <div ref={box} class="message-detail">
      <div class="actions">
        <button type="button" aria-pressed={isTree} onClick={() => setTree(true)}>
          Tree
        </button>
        <button type="button" aria-pressed={!isTree} onClick={() => setTree(false)}>
          Text
        </button>
        <CopyButton text={() => row.text}>Copy data</CopyButton>
        <CopyButton text={() => messageText(row, value)}>Copy message</CopyButton>
        <a href={linkTo(row.sequence)}>Link</a>
      </div>
      <div class="json">
        {isTree ? (
          <Json value={value} query={query} />
        ) : (
          <pre class="message-text">
            <LongText text={row.text} query={query} />
          </pre>
        )}
      </div>
      <dl class="message-facts">
        <Fact name="Published">
          {formatTime(row.publishedAt)} ({new Date(row.publishedAt).toISOString()})
        </Fact>
        {row.subject !== undefined && (
          <Fact name="Subject">
            <Marked text={row.subject} query={query} />
          </Fact>
        )}
        <Fact name="Data">
          {row.bytes < 1_000 ? "" : `${formatBytes(row.bytes)}, `}
          {formatNumber(row.bytes)} bytes
        </Fact>
        {row.id !== undefined && (
          <Fact name="Id">
            <Marked text={row.id} query={query} />
          </Fact>
        )}
        <Fact name="Epoch">{row.epoch}</Fact>
        {headers.map(([name, header]) => (
          <div key={name}>
            <dt>
              Header <Marked text={name} query={query} />
            </dt>
            <dd>
              <LongText text={header} query={query} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Puts a text on the clipboard, and says so for as long as it is looked at. */
function CopyButton({ text, children }: { text: () => string; children: ComponentChildren }) {
  const [outcome, setOutcome] = useState<string | undefined>();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setOutcome("Copied");
    } catch {
      // Safe: a page that is not of https has no clipboard, and a browser may refuse it.
      setOutcome("Not copied: the browser does not allow it");
    }
  };
  return (
    <button type="button" onClick={() => void copy()} onBlur={() => setOutcome(undefined)}>
      {outcome ?? children}
    </button>
  );
}

/** The address of a message in this console. */
function linkTo(sequence: number): string {
  const url = new URL(location.href);
  const [path = "", search = ""] = url.hash.split("?", 2);
  const query = new URLSearchParams(search);
  query.set("at", String(sequence));
  url.hash = `${path}?${query.toString()}`;
  return url.href;
}

function messageText({ sequence, publishedAt, subject, headers, id }: MessageRow, data: unknown): string {
  return JSON.stringify({ sequence, publishedAt, subject, headers, id, data }, undefined, 2);
}
