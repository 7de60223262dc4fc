import { useState } from "preact/hooks";

import type { ConsumerInfo, From } from "../../../../rpc/index.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { formatNumber } from "../../parts/format.ts";
import { FormActions } from "../../parts/form-actions.tsx";
import { ErrorNotice } from "../../parts/notice.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useClient } from "../../session/use-session.ts";

import { readStart, startText } from "./draft.ts";
import type { StartDraft } from "./draft.ts";
import { StartFields } from "./start-fields.tsx";

type SeekDialogProps = {
  stream: string;
  info: ConsumerInfo;
  onClose: () => void;
  /** Called with what the consumer is then, and with words on it. */
  onDone: (info: ConsumerInfo, words: string) => void;
};

/** Asks where a consumer shall go on, and says what that does. */
export function SeekDialog({ stream, info, onClose, onDone }: SeekDialogProps) {
  const client = useClient();
  // As it was when it was asked: a sequence means nothing in another epoch.
  const [{ consumer, epoch }] = useState(info);
  const [start, setStart] = useState<StartDraft>({ kind: "first", value: "" });
  const [fault, setFault] = useState<string | undefined>();
  const { run, isPending, error } = useAction((from: From) => client.seekConsumer({ stream, consumer, from, epoch }));
  const submit = async (event: Event) => {
    event.preventDefault();
    const read = readStart(start);
    setFault("fault" in read ? read.fault : undefined);
    if ("from" in read) {
      const answer = await run(read.from);
      if (answer !== undefined) {
        onDone(answer[0], `Goes on with ${startText(read.from)}.${skippedText(answer[0])}`);
      }
    }
  };
  return (
    <Dialog title={`Seek the consumer ${consumer}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <p>
          The consumer goes on with another message. What is in flight or waits for redelivery is forgotten, and every
          message from there on is delivered as if for the first time, also what was acked. Dead letters from there on
          are dropped from their list. Going forward passes over messages for good.
        </p>
        <div class="columns">
          <StartFields start={start} fault={fault} onInput={setStart} />
        </div>
        <ErrorNotice error={error} />
        <FormActions verb="Seek" kind="danger" isDisabled={isPending} onCancel={onClose} />
      </form>
    </Dialog>
  );
}

function skippedText({ skipped }: ConsumerInfo): string {
  return skipped === undefined
    ? ""
    : ` ${formatNumber(skipped.from)} to ${formatNumber(skipped.to)} were deleted before.`;
}
