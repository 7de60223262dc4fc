import { SelectField, TextField } from "../../parts/field.tsx";

import type { StartDraft, StartKind } from "./draft.ts";

const KINDS: readonly { value: StartKind; label: string; field?: string; hint?: string }[] = [
  { value: "first", label: "The first message" },
  { value: "new", label: "Messages published from now on" },
  { value: "sequence", label: "A sequence", field: "Sequence", hint: "At most one past the last." },
  { value: "time", label: "A time", field: "Time", hint: "Of this machine's zone; may be in the future." },
  { value: "last", label: "The last so many messages", field: "How many", hint: "0 or more." },
];

type StartFieldsProps = { start: StartDraft; fault: string | undefined; onInput: (start: StartDraft) => void };

/** Where a consumer starts, or goes. */
export function StartFields({ start, fault, onInput }: StartFieldsProps) {
  const chosen = KINDS.find(({ value }) => value === start.kind);
  return (
    <>
      <SelectField
        label="Begin with"
        value={start.kind}
        options={KINDS}
        onInput={(value) => onInput({ kind: KINDS.find((each) => each.value === value)?.value ?? "first", value: "" })}
      />
      {chosen?.field !== undefined && (
        <TextField
          key={start.kind}
          label={chosen.field}
          kind={start.kind === "time" ? "time" : "number"}
          value={start.value}
          onInput={(value) => onInput({ ...start, value })}
          hint={chosen.hint}
          error={fault}
        />
      )}
    </>
  );
}
