import type { ComponentChildren } from "preact";

export type Fact = { readonly label: string; readonly value: ComponentChildren; readonly note?: ComponentChildren };

/** Facts of one thing, each with its label. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(({ label, value, note }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            {value}
            {note !== undefined && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
