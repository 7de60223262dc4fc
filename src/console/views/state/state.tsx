import { useState } from "preact/hooks";

import type { GetStateResult } from "../../../../rpc/index.ts";
import { Facts } from "../../parts/facts.tsx";
import { formatBytes, formatNumber } from "../../parts/format.ts";
import { Json } from "../../parts/json.tsx";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { useCall } from "../../parts/use-call.ts";
import type { StreamViewProps } from "../../view.ts";

import { Checkpoint } from "./checkpoint.tsx";
import { Editor } from "./editor.tsx";

/** The state document of a stream: what it is, and another one in its place. */
export function State({ stream }: StreamViewProps) {
  const {
    value: read,
    error,
    isPending,
    reload,
  } = useCall((client, options) => client.getState({ stream }, options), [stream]);
  /** The state that is being edited, as it was read. */
  const [base, setBase] = useState<GetStateResult | undefined>();
  const [saved, setSaved] = useState<string | undefined>();
  const [isCheckpoint, setCheckpoint] = useState(false);
  const finish = (words: string) => {
    setSaved(words);
    setBase(undefined);
    setCheckpoint(false);
    reload();
  };
  if (read === undefined) {
    return error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={error} />;
  }
  return (
    <section aria-labelledby="state">
      <h2 id="state">State</h2>
      <ErrorNotice error={error} />
      {saved !== undefined && <Notice kind="good">{saved}</Notice>}
      <Facts
        facts={[
          {
            label: "Revision",
            value: formatNumber(read.revision),
            note: read.epoch === undefined ? undefined : `Epoch ${read.epoch}`,
          },
          { label: "Size", value: formatBytes(sizeOf(read)) },
        ]}
      />
      {base === undefined ? (
        <>
          {read.revision === 0 ? (
            <p class="empty">No state was put yet.</p>
          ) : (
            <div class="json">
              <Json value={read.state} />
            </div>
          )}
          <p class="actions">
            <button type="button" onClick={() => setBase(read)}>
              Edit
            </button>
            <button type="button" onClick={() => setCheckpoint(true)}>
              Checkpoint…
            </button>
            <button type="button" class="quiet" disabled={isPending} onClick={reload}>
              Reload
            </button>
          </p>
        </>
      ) : (
        <Editor stream={stream} base={base} onSaved={finish} onClose={() => setBase(undefined)} />
      )}
      {isCheckpoint && <Checkpoint stream={stream} read={read} onDone={finish} onClose={() => setCheckpoint(false)} />}
    </section>
  );
}

function sizeOf({ revision, state }: GetStateResult): number {
  return revision === 0 ? 0 : new TextEncoder().encode(JSON.stringify(state)).byteLength;
}
