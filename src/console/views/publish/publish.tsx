import { useId, useState } from "preact/hooks";

import { DurableStreamError } from "../../../../rpc/client.ts";
import { LIMITS } from "../../../../rpc/index.ts";
import { SelectField, TextField } from "../../parts/field.tsx";
import { formatBytes, formatNumber } from "../../parts/format.ts";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { Time } from "../../parts/time.tsx";
import { useAction } from "../../parts/use-action.ts";
import { href } from "../../router.ts";
import { useClient } from "../../session/use-session.ts";
import type { StreamViewProps } from "../../view.ts";

import { EMPTY_DRAFT, readDraft } from "./draft.ts";
import type { Draft, Publishing } from "./draft.ts";

/** How long somebody waits for a server that does not answer. */
const TIMEOUT_MS = 15_000;

const FORMS = [
  { value: "json", label: "JSON" },
  { value: "text", label: "Text" },
  { value: "lines", label: "JSON lines: a batch" },
] as const;

const HINTS = {
  json: "Any JSON value.",
  text: "A text, as it is typed: a JSON string.",
  lines: "One value a line. They are stored together with consecutive sequences, or none of them.",
};

/** Publishes a message, or several at once. What was typed stays, whatever becomes of it. */
export function Publish({ stream }: StreamViewProps) {
  const client = useClient();
  const heading = useId();
  const [draft, setDraft] = useState(EMPTY_DRAFT);
  const [sent, setSent] = useState<Sent | undefined>();
  const [isTouched, setTouched] = useState(false);
  const { run, isPending, error } = useAction((publishing: Publishing) => publish(client, publishing));
  const { publishing, faults, bytes, messages } = readDraft(stream, draft);
  const set = (field: keyof Draft) => (value: string) => {
    setTouched(true);
    setDraft((before) => ({ ...before, [field]: value }));
  };

  const send = async (what: Publishing | undefined) => {
    setTouched(true);
    if (what === undefined) {
      return;
    }
    setSent(undefined);
    const done = await run(what);
    if (done !== undefined) {
      setSent({ ...done[0], publishing: what });
    }
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void send(publishing);
  };

  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>Publish to {stream}</h2>
      <form
        class="publish"
        onSubmit={submit}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            submit(event);
          }
        }}
      >
        <div class="publish-data">
          <TextField
            label="Data"
            kind={draft.form === "text" ? "lines" : "json"}
            rows={14}
            value={draft.text}
            onInput={set("text")}
            error={isTouched ? faults.text : undefined}
            hint={HINTS[draft.form]}
            hasFocus
          />
          <SizeMeter bytes={bytes} messages={messages} />
        </div>
        <div>
          <SelectField label="As" value={draft.form} onInput={set("form")} options={FORMS} />
          <TextField
            label="Subject"
            value={draft.subject}
            onInput={set("subject")}
            error={faults.subject}
            placeholder="orders.eu.created"
            hint="Optional."
          />
          <TextField
            label="Headers"
            kind="lines"
            rows={3}
            value={draft.headers}
            onInput={set("headers")}
            error={faults.headers}
            placeholder="name: value"
            hint="Optional: one a line."
          />
          <TextField
            label="Id"
            value={draft.id}
            onInput={set("id")}
            error={faults.id}
            hint="Optional: the same id is stored once."
          />
          <TextField
            label="Only behind the sequence"
            kind="number"
            value={draft.lastSequence}
            onInput={set("lastSequence")}
            error={faults.lastSequence}
            hint="Optional: only while this is the last one; 0 for an empty stream."
          />
        </div>
        <p class="actions">
          <button type="submit" class="main" disabled={isPending} title="Ctrl+Enter">
            {draft.form === "lines" && messages > 1 ? `Publish ${messages} messages` : "Publish"}
          </button>
          {isPending ? <span class="count">Waiting for the server…</span> : <small>Ctrl+Enter</small>}
        </p>
      </form>
      <ErrorNotice error={error} />
      <LastSequence error={error} onUse={(sequence) => set("lastSequence")(String(sequence))} />
      {sent !== undefined && (
        <Outcome stream={stream} sent={sent} isPending={isPending} onAgain={() => void send(sent.publishing)} />
      )}
    </section>
  );
}

type Stored = { readonly first: number; readonly last: number; readonly at: number; readonly isDuplicate: boolean };
type Sent = Stored & { readonly publishing: Publishing };

async function publish(client: ReturnType<typeof useClient>, { method, params }: Publishing): Promise<Stored> {
  if (method === "publish") {
    const { sequence, publishedAt, duplicate } = await client.publish(params, { timeoutMs: TIMEOUT_MS });
    return { first: sequence, last: sequence, at: publishedAt, isDuplicate: duplicate };
  }
  const stored = await client.publishBatch(params, { timeoutMs: TIMEOUT_MS });
  const { firstSequence, lastSequence, publishedAt, duplicate } = stored;
  return { first: firstSequence, last: lastSequence, at: publishedAt, isDuplicate: duplicate };
}

type OutcomeProps = { stream: string; sent: Sent; isPending: boolean; onAgain: () => void };

/** Where it was stored. */
function Outcome({ stream, sent: { first, last, at, isDuplicate }, isPending, onAgain }: OutcomeProps) {
  const link = href(["streams", stream, "messages"], { at: String(first) });
  return (
    <>
      <Notice kind={isDuplicate ? "info" : "good"}>
        <strong>{isDuplicate ? "Stored before" : "Stored"}</strong> as{" "}
        <a href={link}>{first === last ? first : `${first} to ${last}`}</a>, <Time at={at} />.
        {isDuplicate && " The id was known, so it was not stored again."}
      </Notice>
      <p class="actions">
        <button type="button" disabled={isPending} onClick={onAgain}>
          Publish again
        </button>
        <small>The same message, whatever is typed above by now.</small>
      </p>
    </>
  );
}

/** After a Conflict: where the stream ends. */
function LastSequence({ error, onUse }: { error: Error | undefined; onUse: (sequence: number) => void }) {
  const last = error instanceof DurableStreamError && error.name === "Conflict" ? error.data.lastSequence : undefined;
  return last === undefined ? null : (
    <p class="actions">
      The last sequence is {last}.
      <button type="button" class="quiet" onClick={() => onUse(last)}>
        Publish behind that
      </button>
    </p>
  );
}

/** How much of the room of a message is taken, by the largest of them. */
function SizeMeter({ bytes, messages }: { bytes: number; messages: number }) {
  const id = useId();
  return (
    <div class="publish-size">
      <label for={id}>Size</label>
      <meter id={id} min={0} max={LIMITS.messageBytes} high={LIMITS.messageBytes * 0.9} value={bytes} />
      <small>
        {formatBytes(bytes)} of {formatBytes(LIMITS.messageBytes)}
        {messages > 1 && `, the largest of ${formatNumber(messages)}`}
      </small>
    </div>
  );
}
