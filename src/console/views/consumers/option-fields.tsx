import { TextField } from "../../parts/field.tsx";

import type { Draft, DraftField, Faults } from "./draft.ts";

const FIELDS: readonly { field: DraftField; label: string; hint: string; isNumber?: true }[] = [
  { field: "filter", label: "Filter", hint: "A subject; * is one token, a last > one or more. Empty: every message." },
  {
    field: "ackWaitMs",
    label: "Ack wait, ms",
    hint: "Without an ack for so long, a message is delivered again. 100 to 3,600,000; 30,000 when empty.",
    isNumber: true,
  },
  {
    field: "maxDeliver",
    label: "Most deliveries",
    hint: "A message that failed so often is a dead letter. 1 to 100; 5 when empty.",
    isNumber: true,
  },
  {
    field: "maxInFlight",
    label: "Most in flight",
    hint: "Delivered and not acked, over all subscriptions. 1 to 10,000; 1,000 when empty.",
    isNumber: true,
  },
  {
    field: "backoffMs",
    label: "Backoff, ms",
    hint: "Waits before each further delivery, apart by commas; the last repeats. “none”: no wait.",
  },
];

type OptionFieldsProps = { draft: Draft; faults: Faults; onInput: (draft: Draft) => void };

/** The options of a consumer that may be changed. */
export function OptionFields({ draft, faults, onInput }: OptionFieldsProps) {
  return (
    <>
      {FIELDS.map(({ field, label, hint, isNumber }) => (
        <TextField
          key={field}
          label={label}
          kind={isNumber === true ? "number" : "text"}
          value={draft[field]}
          onInput={(value) => onInput({ ...draft, [field]: value })}
          hint={hint}
          error={faults[field]}
        />
      ))}
    </>
  );
}
