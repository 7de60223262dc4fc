import { useState } from "preact/hooks";

import { ConsumerName } from "../../../../rpc/index.ts";
import { TextField } from "../../parts/field.tsx";
import { ErrorNotice } from "../../parts/notice.tsx";
import { useAction } from "../../parts/use-action.ts";
import { faultOf } from "../../parts/valid.ts";
import { go, href } from "../../router.ts";
import { useClient } from "../../session/use-session.ts";

import { EMPTY_DRAFT, readDraft, readStart } from "./draft.ts";
import type { Faults, StartDraft } from "./draft.ts";
import { OptionFields } from "./option-fields.tsx";
import { consumersOf } from "./places.ts";
import { StartFields } from "./start-fields.tsx";

/** Creates a consumer, with every option that there is. */
export function CreateConsumer({ stream }: { stream: string }) {
  const client = useClient();
  const [consumer, setConsumer] = useState("");
  const [start, setStart] = useState<StartDraft>({ kind: "first", value: "" });
  const [draft, setDraft] = useState(EMPTY_DRAFT);
  const [faults, setFaults] = useState<Faults>({});
  const { run, isPending, error } = useAction((params: Parameters<typeof client.createConsumer>[0]) =>
    client.createConsumer(params),
  );

  const submit = async (event: Event) => {
    event.preventDefault();
    const read = readDraft(draft);
    const chosen = readStart(start);
    const fault = faultOf(ConsumerName, consumer);
    const found = {
      ...read.faults,
      ...(fault === undefined ? {} : { consumer: fault }),
      ...("fault" in chosen ? { from: chosen.fault } : {}),
    };
    setFaults(found);
    if ("from" in chosen && Object.keys(found).length === 0) {
      const made = await run({ stream, consumer, from: chosen.from, ...read.options });
      if (made !== undefined) {
        go(consumersOf(stream, consumer));
      }
    }
  };

  return (
    <>
      <h2>Create a consumer</h2>
      <form onSubmit={(event) => void submit(event)}>
        <div class="columns">
          <TextField
            label="Name"
            value={consumer}
            onInput={setConsumer}
            error={faults["consumer"]}
            hint="1 to 64 of letters, digits, _ and -."
            hasFocus
          />
          <StartFields start={start} fault={faults["from"]} onInput={setStart} />
          <OptionFields draft={draft} faults={faults} onInput={setDraft} />
        </div>
        <ErrorNotice error={error} />
        <p class="actions">
          <button type="submit" class="main" disabled={isPending}>
            Create
          </button>
          <a href={href(consumersOf(stream))}>Cancel</a>
        </p>
      </form>
    </>
  );
}
