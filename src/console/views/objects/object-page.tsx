import { useEffect, useRef, useState } from "preact/hooks";

import type { ObjectInfo } from "../../../../rpc/index.ts";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { Facts } from "../../parts/facts.tsx";
import { formatBytes, formatNumber, visible } from "../../parts/format.ts";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { Time } from "../../parts/time.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useCall } from "../../parts/use-call.ts";
import { useClient } from "../../session/use-session.ts";

import { download } from "./download.ts";
import { FolderHead } from "./folder-head.tsx";
import { fileNameOf, folderOf } from "./keys.ts";
import { folderHref } from "./places.ts";
import { Preview } from "./preview.tsx";

/** One object: what is known of it, a preview, and what can be done with it. */
export function ObjectPage({ objectKey: key }: { objectKey: string }) {
  const client = useClient();
  const { value: info, error, reload } = useCall((each, options) => each.headObject({ key }, options), [key]);
  const [isAsked, setAsked] = useState(false);
  const [isDeleted, setDeleted] = useState(false);
  const [said, setSaid] = useState("");
  const downloading = useAction(() => download(client, key));
  const copying = useAction(() => navigator.clipboard.writeText(key));
  const folder = folderOf(key);

  const copy = async () => {
    setSaid((await copying.run()) === undefined ? "" : "Copied.");
  };
  return (
    <>
      <FolderHead folder={folder} name={fileNameOf(key)} />
      <ErrorNotice error={error} />
      {isDeleted && <Deleted folder={folder} />}
      {!isDeleted && (
        <p class="actions">
          <button type="button" class="main" disabled={downloading.isPending} onClick={() => void downloading.run()}>
            Download
          </button>
          <button type="button" onClick={() => void copy()}>
            Copy the key
          </button>
          <button type="button" onClick={() => setAsked(true)}>
            Delete…
          </button>
          <button type="button" class="quiet" onClick={reload}>
            Reload
          </button>
          <span role="status">{said}</span>
        </p>
      )}
      <ErrorNotice error={downloading.error ?? copying.error} />
      {info !== undefined && !isDeleted && (
        <>
          <Metadata info={info} />
          <Preview key={info.etag} info={info} />
        </>
      )}
      {isAsked && (
        <ConfirmDialog
          title="Delete this object?"
          verb="Delete"
          action={() => client.objects.delete(key)}
          onClose={() => setAsked(false)}
          onDone={() => {
            setAsked(false);
            setDeleted(true);
          }}
        >
          <p>
            <code>{visible(key)}</code>
          </p>
          <p>Whatever version is there goes. This can not be undone.</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function Deleted({ folder }: { folder: string }) {
  const back = useRef<HTMLAnchorElement>(null);
  // What had the focus is gone.
  useEffect(() => back.current?.focus(), []);
  return (
    <Notice kind="good">
      Deleted.{" "}
      <a ref={back} href={folderHref(folder)}>
        Back to the folder
      </a>
    </Notice>
  );
}

function Metadata({ info }: { info: ObjectInfo }) {
  const { size, etag, contentType, uploadedAt, metadata, sha256, key } = info;
  return (
    <section aria-label="Metadata">
      <Facts
        facts={[
          { label: "Key", value: <span class="mono">{visible(key)}</span> },
          { label: "Size", value: formatBytes(size), ...(size < 1_000 ? {} : { note: `${formatNumber(size)} bytes` }) },
          { label: "Content type", value: contentType },
          { label: "Uploaded", value: <Time at={uploadedAt} /> },
          { label: "Etag", value: <span class="mono">{etag}</span> },
          ...(sha256 === undefined ? [] : [{ label: "SHA-256", value: <span class="mono">{sha256}</span> }]),
          ...Object.entries(metadata).map(([name, value]) => ({
            label: `Metadata: ${name}`,
            value: visible(value),
          })),
        ]}
      />
    </section>
  );
}
