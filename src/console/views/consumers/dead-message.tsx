import { useEffect, useRef, useState } from "preact/hooks";

import type { DeadLetter } from "../../../../rpc/index.ts";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { Facts } from "../../parts/facts.tsx";
import { formatNumber, visible } from "../../parts/format.ts";
import { Json } from "../../parts/json.tsx";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { Time } from "../../parts/time.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useCall } from "../../parts/use-call.ts";
import { useClient } from "../../session/use-session.ts";

import { countWords } from "./dead-letter-actions.tsx";
import type { DeadLettersOf } from "./dead-letter-actions.tsx";

type DeadMessageProps = {
  of: DeadLettersOf;
  sequence: number;
  /** Undefined when it is not on the page that is shown, or no dead letter any more. */
  deadLetter: DeadLetter | undefined;
  closeHref: string;
  onDone: () => void;
};

/** One dead letter and its message, which is read from the stream by its sequence. */
export function DeadMessage({ of, sequence, deadLetter, closeHref, onDone }: DeadMessageProps) {
  const client = useClient();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const [isAsked, setAsked] = useState(false);
  const [said, setSaid] = useState("");
  const params = { ...of, sequences: [sequence] };
  const retrying = useAction(() => client.retryDeadLetters(params));
  const tell = (words: string) => {
    setSaid(words);
    setAsked(false);
    onDone();
  };
  const retry = async () => {
    const answer = await retrying.run();
    if (answer !== undefined) {
      tell(countWords(answer[0].count, 1, "retried"));
    }
  };
  return (
    <aside aria-label={`Message ${sequence}`}>
      <h3 ref={heading} tabIndex={-1}>
        Message {formatNumber(sequence)}
      </h3>
      {deadLetter !== undefined && (
        <p>
          Delivered {deadLetter.deliveries === 1 ? "once" : `${formatNumber(deadLetter.deliveries)} times`}; dead since{" "}
          <Time at={deadLetter.deadAt} />, because of “{visible(deadLetter.reason)}”.
        </p>
      )}
      <p class="actions">
        <button type="button" disabled={retrying.isPending} onClick={() => void retry()}>
          Retry
        </button>
        <button type="button" onClick={() => setAsked(true)}>
          Delete…
        </button>
        <a href={closeHref}>Close</a>
        <span role="status">{said}</span>
      </p>
      <ErrorNotice error={retrying.error} />
      <Message stream={of.stream} epoch={of.epoch} sequence={sequence} />
      {isAsked && (
        <ConfirmDialog
          title={`Delete the dead letter ${formatNumber(sequence)}?`}
          verb="Delete"
          action={() => client.deleteDeadLetters(params)}
          onClose={() => setAsked(false)}
          onDone={() => tell("Deleted.")}
        >
          <p>It is no longer listed and can not be retried from here. The stream keeps its message.</p>
        </ConfirmDialog>
      )}
    </aside>
  );
}

function Message({ stream, epoch, sequence }: { stream: string; epoch: string; sequence: number }) {
  const { value, error } = useCall(
    (client, options) => client.getMessages({ stream, epoch, from: { sequence }, limit: 1 }, options),
    [stream, epoch, sequence],
  );
  if (value === undefined) {
    return error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={error} />;
  }
  const message = value.messages.find((each) => each.sequence === sequence);
  if (message === undefined) {
    return (
      <Notice kind="info">
        <strong>Deleted meanwhile</strong> The stream no longer has this message, so it can not be retried.
      </Notice>
    );
  }
  return (
    <>
      <Facts
        facts={[
          { label: "Published", value: <Time at={message.publishedAt} /> },
          { label: "Subject", value: <code>{message.subject ?? "–"}</code> },
          ...(message.id === undefined ? [] : [{ label: "Id", value: visible(message.id) }]),
        ]}
      />
      {message.headers !== undefined && (
        <>
          <h4>Headers</h4>
          <div class="json">
            <Json value={message.headers} />
          </div>
        </>
      )}
      <h4>Data</h4>
      <div class="json">
        <Json value={message.data} />
      </div>
    </>
  );
}
