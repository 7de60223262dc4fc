import { useRef, useState } from "preact/hooks";

import { ConfirmDialog } from "../../parts/dialog.tsx";
import { ErrorNotice } from "../../parts/notice.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useClient } from "../../session/use-session.ts";

/** Whose dead letters they are. */
export type DeadLettersOf = { readonly stream: string; readonly consumer: string; readonly epoch: string };

type DeadLetterActionsProps = {
  of: DeadLettersOf;
  selected: readonly number[];
  /** Whether there may be any. */
  hasAny: boolean;
  onDone: () => void;
};

type Asked = "delete" | "retry all" | "delete all";

/** Retries and deletes dead letters: those selected, or all. What can not be taken back is asked first. */
export function DeadLetterActions({ of, selected, hasAny, onDone }: DeadLetterActionsProps) {
  const client = useClient();
  const [asked, setAsked] = useState<Asked | undefined>();
  const [said, setSaid] = useState("");
  const retrying = useAction(() => client.retryDeadLetters({ ...of, sequences: [...selected] }));
  const tell = (words: string) => {
    setSaid(words);
    setAsked(undefined);
    onDone();
  };
  const retry = async () => {
    const answer = await retrying.run();
    if (answer !== undefined) {
      tell(countWords(answer[0].count, selected.length, "retried"));
    }
  };
  const none = selected.length === 0;
  return (
    <>
      <p class="actions">
        <button type="button" disabled={none || retrying.isPending} onClick={() => void retry()}>
          Retry selected
        </button>
        <button type="button" disabled={none} onClick={() => setAsked("delete")}>
          Delete selected…
        </button>
        <button type="button" disabled={!hasAny} onClick={() => setAsked("retry all")}>
          Retry all…
        </button>
        <button type="button" disabled={!hasAny} onClick={() => setAsked("delete all")}>
          Delete all…
        </button>
        <span class="count" role="status">
          {none ? said : `${selected.length} selected`}
        </span>
      </p>
      <ErrorNotice error={retrying.error} />
      {asked !== undefined && (
        <Asking
          of={of}
          asked={asked}
          sequences={asked === "delete" ? selected : undefined}
          onClose={() => setAsked(undefined)}
          onDone={tell}
        />
      )}
    </>
  );
}

type AskingProps = {
  of: DeadLettersOf;
  asked: Asked;
  /** All unless given. */
  sequences: readonly number[] | undefined;
  onClose: () => void;
  onDone: (words: string) => void;
};

function Asking({ of, asked, sequences, onClose, onDone }: AskingProps) {
  const client = useClient();
  const count = useRef(0);
  const isRetry = asked === "retry all";
  const params = { ...of, ...(sequences === undefined ? {} : { sequences: [...sequences] }) };
  const which = sequences === undefined ? `all dead letters of ${of.consumer}` : `${sequences.length} dead letters`;
  return (
    <ConfirmDialog
      title={`${isRetry ? "Retry" : "Delete"} ${which}?`}
      verb={isRetry ? "Retry all" : "Delete"}
      action={async () => {
        const answer = await (isRetry ? client.retryDeadLetters(params) : client.deleteDeadLetters(params));
        count.current = answer.count;
      }}
      onClose={onClose}
      onDone={() => onDone(countWords(count.current, sequences?.length, isRetry ? "retried" : "deleted"))}
    >
      <p>
        {isRetry
          ? "Each is delivered again as if for the first time, as far as the stream still has it."
          : "They are no longer listed and can not be retried from here. The stream keeps its messages."}
      </p>
    </ConfirmDialog>
  );
}

/** What was done, and whether some were gone already. */
export function countWords(count: number, of: number | undefined, done: string): string {
  if (of === undefined || count === of) {
    return `${count} ${done}.`;
  }
  return count === 0 ? `None ${done}: gone already.` : `${count} of ${of} ${done}: the others were gone.`;
}
