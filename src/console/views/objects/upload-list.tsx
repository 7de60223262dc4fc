import { formatBytes, visible } from "../../parts/format.ts";
import { ErrorNotice } from "../../parts/notice.tsx";
import { Time } from "../../parts/time.tsx";
import { useConnection } from "../../session/use-session.ts";

import { objectHref } from "./places.ts";
import { hasEnded } from "./uploads.ts";
import type { Existing, Upload, Uploads } from "./uploads.ts";

/** The uploads of this session, newest last. */
export function UploadList({ list, uploads }: { list: readonly Upload[]; uploads: Uploads }) {
  if (list.length === 0) {
    return null;
  }
  return (
    <>
      <ul class="uploads" aria-label="Uploads">
        {list.map((upload) => (
          <li key={upload.id}>
            <UploadRow upload={upload} uploads={uploads} />
          </li>
        ))}
      </ul>
      {list.some(({ state }) => hasEnded(state)) && (
        <p class="actions">
          <button type="button" class="quiet" onClick={() => uploads.clear()}>
            Clear what is done
          </button>
        </p>
      )}
    </>
  );
}

function UploadRow({ upload, uploads }: { upload: Upload; uploads: Uploads }) {
  const { id, key, file, state, sent } = upload;
  const name = visible(key);
  return (
    <>
      <p class="upload-name">
        {state.is === "stored" ? <a href={objectHref(key)}>{name}</a> : name} <small>{formatBytes(file.size)}</small>
      </p>
      {state.is === "sending" && (
        <progress
          aria-label={`Progress of ${name}`}
          max={Math.max(1, file.size)}
          {...(sent === undefined ? {} : { value: sent })}
        />
      )}
      <p class="upload-state">
        <StateWords upload={upload} />
      </p>
      {state.is === "asking" && <Question existing={state.existing} isAgain={state.isAgain} />}
      {state.is === "failed" && <ErrorNotice error={state.error} />}
      <p class="actions">
        {state.is === "asking" && (
          <button type="button" class="danger" onClick={() => uploads.overwrite(id)}>
            Overwrite
          </button>
        )}
        {!hasEnded(state) && (
          <button type="button" aria-label={`Cancel ${name}`} onClick={() => uploads.cancel(id)}>
            Cancel
          </button>
        )}
        {(state.is === "failed" || state.is === "cancelled") && (
          <button type="button" aria-label={`Try ${name} again`} onClick={() => uploads.retry(id)}>
            Try again
          </button>
        )}
      </p>
    </>
  );
}

const WORDS = {
  checking: "Looking whether there is one of this name…",
  asking: "Waits for your answer.",
  waiting: "Waits for the upload before it.",
  sending: "Sending.",
  stored: "Stored.",
  cancelled: "Cancelled.",
  failed: "Not stored.",
} as const;

/** A screen reader is told what becomes of it, and not each step of its progress. */
function StateWords({ upload: { state, sent, file } }: { upload: Upload }) {
  const { state: connection } = useConnection();
  const isSending = state.is === "sending";
  return (
    <>
      <span role="status">
        {isSending && connection !== "open" ? "The connection is lost; goes on when it is back." : WORDS[state.is]}
      </span>{" "}
      {isSending &&
        (sent === undefined
          ? "It goes in one request, which does not tell how far it is."
          : `${formatBytes(sent)} of ${formatBytes(file.size)}`)}
    </>
  );
}

function Question({ existing: { etag, info }, isAgain }: { existing: Existing; isAgain: boolean }) {
  return (
    <p class="upload-question">
      {isAgain ? "Somebody has put an object of this name meanwhile." : "There is an object of this name already."}{" "}
      {info === undefined ? (
        <>Its etag is {etag}.</>
      ) : (
        <>
          It has {formatBytes(info.size)}, of <Time at={info.uploadedAt} />.
        </>
      )}
    </p>
  );
}
