import { useState } from "preact/hooks";

import { ConfigureStreamParams } from "../../../../rpc/index.ts";
import type { StreamConfig, StreamInfo } from "../../../../rpc/index.ts";
import { SelectField, TextField } from "../../parts/field.tsx";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { bytesText, durationText, parseBytes, parseCount, parseDuration } from "../../parts/quantities.ts";
import { useAction } from "../../parts/use-action.ts";
import { faultOf } from "../../parts/valid.ts";
import { useClient } from "../../session/use-session.ts";

type Name = Exclude<keyof StreamConfig, "discard">;

type Row = {
  readonly name: Name;
  readonly label: string;
  readonly hint: string;
  readonly parse: (text: string) => number | undefined;
  readonly text: (value: number) => string;
};

const DURATION = { parse: parseDuration, text: durationText };

const ROWS: readonly Row[] = [
  { name: "maxAgeMs", label: "Keep messages for", hint: "Like 7 d, 12 h or 90 s. Empty: for ever.", ...DURATION },
  {
    name: "maxMessages",
    label: "Most messages",
    hint: "Empty: any number.",
    parse: parseCount,
    text: String,
  },
  {
    name: "maxBytes",
    label: "Most bytes",
    hint: "Like 500 MB. Empty: what the server allows.",
    parse: parseBytes,
    text: bytesText,
  },
  { name: "duplicateWindowMs", label: "Duplicate window", hint: "How long an id is known. Empty: 2 min.", ...DURATION },
  {
    name: "producerWindowMs",
    label: "Producer window",
    hint: "How long a producer is known. Empty: 7 d.",
    ...DURATION,
  },
];

type Draft = { readonly [N in keyof StreamConfig]?: string };

/** The config of a stream, with what somebody has changed of it and not saved. */
export function Config({ info, onSaved }: { info: StreamInfo; onSaved: () => void }) {
  const client = useClient();
  const [draft, setDraft] = useState<Draft>({});
  const [isSaved, setSaved] = useState(false);
  const { run, isPending, error } = useAction((params: ConfigureStreamParams) => client.configureStream(params));
  const { config, stream } = info;
  const edit = (name: keyof StreamConfig) => (text: string) => {
    setSaved(false);
    setDraft({ ...draft, [name]: text });
  };
  const faults = ROWS.map((row) => [row.name, faultOfRow(row, draft[row.name])] as const);
  const mayBeSaved = Object.keys(draft).length > 0 && faults.every(([, fault]) => fault === undefined);

  const submit = async () => {
    if (mayBeSaved && (await run({ stream, ...changesOf(draft) })) !== undefined) {
      setDraft({});
      setSaved(true);
      onSaved();
    }
  };

  return (
    <section aria-labelledby="config">
      <h2 id="config">Config</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div class="columns">
          {ROWS.map(({ name, label, hint, text }) => {
            const value = config[name];
            return (
              <TextField
                key={name}
                label={label}
                value={draft[name] ?? (value === undefined ? "" : text(value))}
                onInput={edit(name)}
                hint={hint}
                error={faults.find(([each]) => each === name)?.[1]}
              />
            );
          })}
          <SelectField
            label="When it is full"
            value={draft.discard ?? config.discard}
            onInput={edit("discard")}
            hint="By messages or bytes; age always drops."
            options={[
              { value: "old", label: "Drop the oldest messages" },
              { value: "new", label: "Refuse new messages" },
            ]}
          />
        </div>
        <ErrorNotice error={error} />
        {isSaved && <Notice kind="good">Saved.</Notice>}
        <p class="actions">
          <button type="submit" class="main" disabled={!mayBeSaved || isPending}>
            Save
          </button>
          {Object.keys(draft).length > 0 && (
            <button type="button" class="quiet" onClick={() => setDraft({})}>
              Undo
            </button>
          )}
        </p>
      </form>
    </section>
  );
}

/** What is wrong with what was typed, by the contract's own limits. */
function faultOfRow({ name, parse }: Row, typed: string | undefined): string | undefined {
  if (typed === undefined || typed.trim() === "") {
    return undefined;
  }
  const value = parse(typed);
  return value === undefined ? "That is no quantity." : faultOf(ConfigureStreamParams.entries[name], value);
}

function changesOf(draft: Draft): Omit<ConfigureStreamParams, "stream"> {
  const numbers = ROWS.filter(({ name }) => draft[name] !== undefined).map(({ name, parse }) => [
    name,
    parse(draft[name] ?? "") ?? null,
  ]);
  const discard = draft.discard === "old" || draft.discard === "new" ? { discard: draft.discard } : {};
  return { ...Object.fromEntries(numbers), ...discard };
}
