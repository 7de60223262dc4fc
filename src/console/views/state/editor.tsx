import { useState } from "preact/hooks";

import { DurableStreamError } from "../../../../rpc/client.ts";
import type { GetStateResult, PutStateParams } from "../../../../rpc/index.ts";
import { TextField } from "../../parts/field.tsx";
import { Json } from "../../parts/json.tsx";
import { parseJson } from "../../parts/json-text.ts";
import { FormActions } from "../../parts/form-actions.tsx";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useClient } from "../../session/use-session.ts";

import { replacing } from "./replacing.ts";

type EditorProps = {
  readonly stream: string;
  /** What was read when the edit began: it is put only in the place of this revision. */
  readonly base: GetStateResult;
  readonly onSaved: (words: string) => void;
  readonly onClose: () => void;
};

/** Another state in the place of the one that was read. One that somebody else has put meanwhile is never overwritten unseen. */
export function Editor({ stream, base, onSaved, onClose }: EditorProps) {
  const client = useClient();
  const [text, setText] = useState(() => JSON.stringify(base.state, undefined, 2));
  /** The revision that is replaced: of the edit's beginning, or of the other's state that was looked at. */
  const [over, setOver] = useState(base);
  const [other, setOther] = useState<GetStateResult | undefined>();
  const { run, isPending, error } = useAction((params: PutStateParams) => client.putState(params));
  const look = useAction(() => client.getState({ stream }));
  const parsed = parseJson(text);
  const isConflict =
    error instanceof DurableStreamError && (error.name === "Conflict" || error.name === "EpochChanged");

  const put = async (replaced: GetStateResult) => {
    if (!("value" in parsed)) {
      return;
    }
    const done = await run({ stream, state: parsed.value, ...replacing(replaced) });
    if (done !== undefined) {
      onSaved(`Saved as revision ${done[0].revision}.`);
    }
  };
  const lookAtOther = async () => {
    const read = await look.run();
    setOther(read?.[0]);
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void put(over);
      }}
    >
      <TextField
        label="State, as JSON"
        kind="json"
        rows={18}
        value={text}
        onInput={setText}
        error={"fault" in parsed ? parsed.fault : undefined}
        hint={`Replaces revision ${over.revision}.`}
        hasFocus
      />
      {isConflict && other === undefined ? (
        <Notice kind="bad">
          <p>
            <strong>Conflict</strong> Somebody else has put a state since you began: revision {over.revision} is no
            longer the last. Nothing was saved, and your text is kept.
          </p>
          <p class="actions">
            <button type="button" disabled={look.isPending} onClick={() => void lookAtOther()}>
              Show theirs
            </button>
          </p>
          <ErrorNotice error={look.error} />
        </Notice>
      ) : (
        <ErrorNotice error={isConflict ? undefined : error} />
      )}
      {other !== undefined && (
        <Notice kind="info">
          <p>Their state, revision {other.revision}:</p>
          <div class="json">
            <Json value={other.state} />
          </div>
          <p class="actions">
            <button
              type="button"
              class="danger"
              disabled={isPending || "fault" in parsed}
              onClick={() => {
                setOver(other);
                setOther(undefined);
                void put(other);
              }}
            >
              Put mine over theirs
            </button>
            <button
              type="button"
              onClick={() => {
                setText(JSON.stringify(other.state, undefined, 2));
                setOver(other);
                setOther(undefined);
              }}
            >
              Begin again with theirs
            </button>
          </p>
        </Notice>
      )}
      <FormActions
        verb="Save"
        kind="main"
        isDisabled={"fault" in parsed || isPending || other !== undefined}
        onCancel={onClose}
      />
    </form>
  );
}
