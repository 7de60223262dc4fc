import { useState } from "preact/hooks";

import { Sequence } from "../../../../rpc/index.ts";
import type { StreamInfo } from "../../../../rpc/index.ts";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { TextField } from "../../parts/field.tsx";
import { formatNumber } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { parseCount } from "../../parts/quantities.ts";
import { faultOf } from "../../parts/valid.ts";
import { useClient } from "../../session/use-session.ts";

type RemovalProps = { readonly info: StreamInfo; readonly onChanged: () => void };

/** Deletes messages up to one, or the stream. Both ask for its name, and mean the epoch that is shown. */
export function Removal({ info, onChanged }: RemovalProps) {
  const client = useClient();
  const { stream, firstSequence, lastSequence, messages } = info;
  const [through, setThrough] = useState("");
  /** What a dialog asks, of the stream as it was then: meanwhile another may have taken its name. */
  const [asked, setAsked] = useState<{ what: "trim" | "delete"; of: StreamInfo } | undefined>();
  const [done, setDone] = useState<string | undefined>();
  const sequence = parseCount(through);
  const fault = through === "" ? undefined : faultOfSequence(sequence, lastSequence);
  const close = () => setAsked(undefined);
  const finish = (what: string) => {
    setDone(what);
    setThrough("");
    close();
    onChanged();
  };
  return (
    <section aria-labelledby="removal">
      <h2 id="removal">Remove</h2>
      {done !== undefined && <Notice kind="good">{done}</Notice>}
      <form
        class="inline removal"
        onSubmit={(event) => {
          event.preventDefault();
          setDone(undefined);
          setAsked({ what: "trim", of: info });
        }}
      >
        <TextField
          label="Trim up to and with the sequence"
          kind="number"
          value={through}
          onInput={setThrough}
          error={fault}
          hint={
            messages === 0
              ? "There are no messages."
              : `${formatNumber(firstSequence)} to ${formatNumber(lastSequence)}`
          }
        />
        <button type="submit" disabled={sequence === undefined || fault !== undefined}>
          Trim…
        </button>
      </form>
      <p class="actions">
        <button type="button" class="danger" onClick={() => setAsked({ what: "delete", of: info })}>
          Delete the stream…
        </button>
      </p>
      {asked?.what === "trim" && sequence !== undefined && (
        <ConfirmDialog
          title="Trim the stream"
          verb="Trim"
          name={stream}
          action={() => client.deleteMessages({ stream, through: sequence, epoch: asked.of.epoch })}
          onDone={() => finish(`Everything up to ${formatNumber(sequence)} is deleted.`)}
          onClose={close}
        >
          <p>Messages up to and with {formatNumber(sequence)} are deleted for good.</p>
        </ConfirmDialog>
      )}
      {asked?.what === "delete" && (
        <ConfirmDialog
          title="Delete the stream"
          verb="Delete"
          name={stream}
          action={() => client.deleteStream({ stream, epoch: asked.of.epoch })}
          onDone={() => finish("The stream is deleted.")}
          onClose={close}
        >
          <p>
            {formatNumber(asked.of.messages)} messages, the state and {formatNumber(asked.of.consumers)} consumers are
            deleted for good.
          </p>
        </ConfirmDialog>
      )}
    </section>
  );
}

function faultOfSequence(sequence: number | undefined, last: number): string | undefined {
  if (sequence === undefined) {
    return "That is no number.";
  }
  return sequence > last ? "There is no such message yet." : faultOf(Sequence, sequence);
}
