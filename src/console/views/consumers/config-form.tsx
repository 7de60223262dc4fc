import { useState } from "preact/hooks";

import type { ConsumerInfo, UpdateConsumerParams } from "../../../../rpc/index.ts";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useClient } from "../../session/use-session.ts";

import { changesOf, draftOf, isSameDraft } from "./draft.ts";
import type { Faults } from "./draft.ts";
import { OptionFields } from "./option-fields.tsx";

type ConfigFormProps = { stream: string; info: ConsumerInfo; onChanged: (info: ConsumerInfo) => void };

/**
 * The config of a consumer, editable. It follows the server until somebody types; from then on a change by others is told.
 * Only the fields that were changed here are sent, so the others keep what anybody else has set.
 */
export function ConsumerConfigForm({ stream, info, onChanged }: ConfigFormProps) {
  const client = useClient();
  const current = draftOf(info.config);
  const [base, setBase] = useState(current);
  const [draft, setDraft] = useState(current);
  const [faults, setFaults] = useState<Faults>({});
  const [isSaved, setSaved] = useState(false);
  const { run, isPending, error } = useAction((changes: Partial<UpdateConsumerParams>) =>
    client.updateConsumer({ ...changes, stream, consumer: info.consumer }),
  );
  const isTouched = !isSameDraft(draft, base);
  const isOther = !isSameDraft(current, base);
  if (isOther && !isTouched) {
    setBase(current);
    setDraft(current);
  }

  const submit = async (event: Event) => {
    event.preventDefault();
    const { changes, faults: found } = changesOf(base, draft);
    setFaults(found);
    setSaved(false);
    if (Object.keys(found).length > 0) {
      return;
    }
    const answer = await run(changes);
    if (answer !== undefined) {
      const stored = draftOf(answer[0].config);
      setBase(stored);
      setDraft(stored);
      setSaved(true);
      onChanged(answer[0]);
    }
  };
  const takeTheirs = () => {
    setBase(current);
    setDraft(current);
    setFaults({});
  };

  return (
    <section aria-label="Config">
      <h2>Config</h2>
      <form onSubmit={(event) => void submit(event)}>
        {isOther && isTouched && (
          <Notice kind="info">
            The config was changed meanwhile by somebody else. Saving sends only what you have changed.{" "}
            <button type="button" class="quiet" onClick={takeTheirs}>
              Take theirs
            </button>
          </Notice>
        )}
        <div class="columns">
          <OptionFields
            draft={draft}
            faults={faults}
            onInput={(next) => {
              setDraft(next);
              setSaved(false);
            }}
          />
        </div>
        <ErrorNotice error={error} />
        <p class="actions">
          <button type="submit" class="main" disabled={!isTouched || isPending}>
            Save
          </button>
          <button type="button" disabled={!isTouched || isPending} onClick={takeTheirs}>
            Reset
          </button>
          <span role="status">{isSaved ? "Saved." : ""}</span>
        </p>
      </form>
    </section>
  );
}
