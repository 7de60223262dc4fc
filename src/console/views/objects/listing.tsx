import { useEffect, useState } from "preact/hooks";

import type { ListObjectsResult, ObjectInfo } from "../../../../rpc/index.ts";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { formatBytes, visible } from "../../parts/format.ts";
import { ErrorNotice } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { Time } from "../../parts/time.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useCall } from "../../parts/use-call.ts";
import { useClient } from "../../session/use-session.ts";

import { nameIn, SLASH } from "./keys.ts";
import { folderHref, objectHref } from "./places.ts";

/** Objects and folders of a page. */
const PAGE = 100;
/** Most keys of one deleteObject. */
const MOST_CHOSEN = 1_000;

type ListingProps = {
  folder: string;
  prefix: string;
  isFlat: boolean;
  /** Grows when something was put: then it is read again. */
  changes: number;
};

type Row = { readonly key: string; readonly object?: ObjectInfo };

/** What is there with a prefix: a first page, and what was asked for beyond it. */
export function Listing({ folder, prefix, isFlat, changes }: ListingProps) {
  const client = useClient();
  const params = { prefix, limit: PAGE, ...(isFlat ? {} : { delimiter: SLASH }) };
  const first = useCall((each, options) => each.listObjects(params, options), [prefix, isFlat]);
  const [later, setLater] = useState<readonly ListObjectsResult[]>([]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [isAsked, setAsked] = useState(false);
  const more = useAction(async (cursor: string) => {
    const page = await client.listObjects({ ...params, cursor });
    setLater([...later, page]);
  });
  // The first page was read again, so the later ones are not what follows it.
  useEffect(() => setLater([]), [first.value]);
  useEffect(() => void (changes > 0 && first.reload()), [changes]);

  if (first.value === undefined) {
    return first.error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={first.error} />;
  }
  const pages = [first.value, ...later];
  const rows = pages.flatMap(rowsOf);
  const cursor = pages.at(-1)?.cursor;
  const selected = rows.flatMap(({ key, object }) => (object !== undefined && chosen.has(key) ? [key] : []));
  const choose = (key: string, isChosen: boolean) => {
    const next = new Set(chosen);
    if (isChosen) {
      next.add(key);
    } else {
      next.delete(key);
    }
    setChosen(next);
  };
  return (
    <>
      <ErrorNotice error={first.error} />
      <div class="listing">
        <Table
          caption="Objects"
          rows={rows}
          keyOf={({ key, object }) => `${object === undefined ? "folder" : "object"} ${key}`}
          empty={prefix === "" ? "There is no object yet." : `No key begins with “${visible(prefix)}”.`}
          columns={[
            {
              label: "Select",
              cell: ({ key, object }) =>
                object !== undefined && (
                  <input
                    type="checkbox"
                    aria-label={`Select ${visible(nameIn(folder, key))}`}
                    checked={chosen.has(key)}
                    onInput={({ currentTarget }) => choose(key, currentTarget.checked)}
                  />
                ),
            },
            {
              label: "Name",
              isName: true,
              cell: ({ key, object }) => (
                <a href={object === undefined ? folderHref(key) : objectHref(key)}>{visible(nameIn(folder, key))}</a>
              ),
            },
            { label: "Size", isNumber: true, cell: ({ object }) => object && formatBytes(object.size) },
            { label: "Content type", cell: ({ object }) => (object === undefined ? "folder" : object.contentType) },
            { label: "Uploaded", cell: ({ object }) => object && <Time at={object.uploadedAt} /> },
          ]}
        />
      </div>
      <p class="actions">
        {cursor !== undefined && (
          <button type="button" disabled={more.isPending} onClick={() => void more.run(cursor)}>
            More
          </button>
        )}
        <button type="button" class="quiet" onClick={first.reload}>
          Reload
        </button>
        <button
          type="button"
          disabled={selected.length === 0 || selected.length > MOST_CHOSEN}
          onClick={() => setAsked(true)}
        >
          Delete selected…
        </button>
        <span class="count" role="status">
          {rows.length}
          {cursor === undefined ? "" : "+"} {rows.length === 1 ? "entry" : "entries"}
          {selected.length > 0 && `, ${selected.length} selected`}
        </span>
      </p>
      <ErrorNotice error={more.error} />
      {isAsked && (
        <ConfirmDialog
          title={`Delete ${selected.length} ${selected.length === 1 ? "object" : "objects"}?`}
          verb="Delete"
          action={() => client.objects.delete(selected)}
          onClose={() => setAsked(false)}
          onDone={() => {
            setAsked(false);
            setChosen(new Set());
            first.reload();
          }}
        >
          <ul class="keys">
            {selected.slice(0, 10).map((key) => (
              <li key={key}>{visible(key)}</li>
            ))}
            {selected.length > 10 && <li>and {selected.length - 10} more</li>}
          </ul>
          <p>This can not be undone.</p>
        </ConfirmDialog>
      )}
    </>
  );
}

/** The folders of a page, and behind them its objects. */
function rowsOf({ prefixes, objects }: ListObjectsResult): Row[] {
  return [...prefixes.map((key) => ({ key })), ...objects.map((object) => ({ key: object.key, object }))];
}
