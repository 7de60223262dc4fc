import { useEffect, useState } from "preact/hooks";

import { GetMessagesParams } from "../../../../rpc/index.ts";
import { TextField } from "../../parts/field.tsx";
import { faultOf } from "../../parts/valid.ts";

import { placeOfText } from "./place.ts";

/** Lets pass the subjects that a filter names; an empty one lets pass all. */
export function FilterForm({ filter, onFilter }: { filter: string; onFilter: (filter: string) => void }) {
  const [text, setText] = useState(filter);
  useEffect(() => setText(filter), [filter]);
  const fault = text === "" ? undefined : faultOf(GetMessagesParams.entries.filter, text);
  const submit = (event: Event) => {
    event.preventDefault();
    if (fault === undefined && text !== filter) {
      onFilter(text);
    }
  };
  return (
    <form class="inline" onSubmit={submit}>
      <TextField
        label="Subjects"
        value={text}
        onInput={setText}
        error={fault}
        placeholder="orders.*.created or orders.>"
        hint="* is one token, a last > the rest."
      />
      <button type="submit" disabled={fault !== undefined || text === filter}>
        Filter
      </button>
    </form>
  );
}

/** Goes to a sequence or a time. */
export function PlaceForm({ onPlace }: { onPlace: (at: string) => void }) {
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | undefined>();
  const submit = (event: Event) => {
    event.preventDefault();
    const place = placeOfText(text);
    setFault(place === undefined ? "A sequence from 1 on, or a time like 14:05 or 2026-03-01 14:05." : undefined);
    if (place !== undefined) {
      onPlace("sequence" in place ? String(place.sequence) : new Date(place.time).toISOString());
    }
  };
  return (
    <form class="inline" onSubmit={submit}>
      <TextField
        label="Go to"
        value={text}
        onInput={setText}
        error={fault}
        placeholder="1234 or 14:05"
        hint="A sequence, or a time."
      />
      <button type="submit">Go</button>
    </form>
  );
}
