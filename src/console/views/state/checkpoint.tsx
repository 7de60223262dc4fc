import { useState } from "preact/hooks";

import type { GetStateResult } from "../../../../rpc/index.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { TextField } from "../../parts/field.tsx";
import { formatNumber } from "../../parts/format.ts";
import { parseJson } from "../../parts/json-text.ts";
import { FormActions } from "../../parts/form-actions.tsx";
import { ErrorNotice } from "../../parts/notice.tsx";
import { parseCount } from "../../parts/quantities.ts";
import { useAction } from "../../parts/use-action.ts";
import { useCall } from "../../parts/use-call.ts";
import { useClient } from "../../session/use-session.ts";

import { replacing } from "./replacing.ts";

type CheckpointProps = {
  readonly stream: string;
  /** The state that it replaces. */
  readonly read: GetStateResult;
  readonly onDone: (words: string) => void;
  readonly onClose: () => void;
};

/** Puts a state and deletes the messages that it covers, in one transaction. */
export function Checkpoint({ stream, read, onDone, onClose }: CheckpointProps) {
  const client = useClient();
  const { value: info } = useCall((each, options) => each.getStreamInfo({ stream }, options), [stream]);
  const [text, setText] = useState(() => JSON.stringify(read.state, undefined, 2));
  const [through, setThrough] = useState("");
  const { run, isPending, error } = useAction(async (state: unknown, covered: number) => {
    return client.checkpoint({ stream, state, through: covered, ...replacing(read) });
  });
  const parsed = parseJson(text);
  const covered = parseCount(through);
  const last = info?.lastSequence;
  const fault = through !== "" && covered === undefined ? "That is no number." : undefined;

  const submit = async () => {
    if ("fault" in parsed || covered === undefined) {
      return;
    }
    const done = await run(parsed.value, covered);
    if (done !== undefined) {
      const [{ revision, deleted }] = done;
      onDone(`Saved as revision ${revision}; ${formatNumber(deleted)} messages are deleted.`);
    }
  };

  return (
    <Dialog title="Checkpoint" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <p>
          The state takes the place of revision {read.revision}, and the messages that it covers are deleted for good.
        </p>
        <TextField
          label="State, as JSON"
          kind="json"
          value={text}
          onInput={setText}
          error={"fault" in parsed ? parsed.fault : undefined}
        />
        <TextField
          label="It covers up to and with the sequence"
          kind="number"
          value={through}
          onInput={setThrough}
          error={fault}
          hint={last === undefined ? "" : `The last message is ${formatNumber(last)}.`}
          hasFocus
        />
        <ErrorNotice error={error} />
        <FormActions
          verb="Save and trim"
          kind="danger"
          isDisabled={"fault" in parsed || covered === undefined || isPending}
          onCancel={onClose}
        />
      </form>
    </Dialog>
  );
}
