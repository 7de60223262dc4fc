import { useState } from "preact/hooks";

import type { ConsumerInfo } from "../../../../rpc/index.ts";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { ErrorNotice } from "../../parts/notice.tsx";
import { useAction } from "../../parts/use-action.ts";
import { go } from "../../router.ts";
import { useClient } from "../../session/use-session.ts";

import { consumersOf } from "./places.ts";
import { SeekDialog } from "./seek-dialog.tsx";

type ConsumerActionsProps = { stream: string; info: ConsumerInfo; onChanged: (info: ConsumerInfo) => void };

/** Pauses, resumes, seeks and deletes a consumer. */
export function ConsumerActions({ stream, info, onChanged }: ConsumerActionsProps) {
  const { consumer, paused } = info;
  const client = useClient();
  const [dialog, setDialog] = useState<"seek" | "delete" | undefined>();
  const [said, setSaid] = useState("");
  const pausing = useAction(() => client.pauseConsumer({ stream, consumer, paused: !paused }));
  const pause = async () => {
    const answer = await pausing.run();
    if (answer !== undefined) {
      setSaid(answer[0].paused ? "Paused: nothing is delivered; acks still count." : "Resumed.");
      onChanged(answer[0]);
    }
  };
  const close = () => setDialog(undefined);
  return (
    <>
      <p class="actions">
        <button type="button" disabled={pausing.isPending} onClick={() => void pause()}>
          {paused ? "Resume" : "Pause"}
        </button>
        <button type="button" onClick={() => setDialog("seek")}>
          Seek…
        </button>
        <button type="button" onClick={() => setDialog("delete")}>
          Delete…
        </button>
        <span role="status">{said}</span>
      </p>
      <ErrorNotice error={pausing.error} />
      {dialog === "seek" && (
        <SeekDialog
          stream={stream}
          info={info}
          onClose={close}
          onDone={(answer, words) => {
            setSaid(words);
            close();
            onChanged(answer);
          }}
        />
      )}
      {dialog === "delete" && (
        <ConfirmDialog
          title={`Delete the consumer ${consumer}?`}
          verb="Delete"
          name={consumer}
          action={() => client.deleteConsumer({ stream, consumer })}
          onClose={close}
          onDone={() => go(consumersOf(stream))}
        >
          <p>
            Its position and its dead letters go, and its subscriptions end. The stream keeps its messages. This can not
            be undone.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}
