import type { DeadLetter } from "../../../../rpc/index.ts";
import { CheckField } from "../../parts/field.tsx";
import { formatNumber, visible } from "../../parts/format.ts";
import { Table } from "../../parts/table.tsx";
import { Time } from "../../parts/time.tsx";

/** A reason comes from a client, and may be as long as a frame. */
const REASON_CHARACTERS = 300;

type DeadLetterTableProps = {
  rows: readonly DeadLetter[];
  isFirstPage: boolean;
  /** The sequence whose message is beside it. */
  open: number | undefined;
  chosen: ReadonlySet<number>;
  onChosen: (chosen: ReadonlySet<number>) => void;
  hrefOf: (sequence: number) => string;
};

export function DeadLetterTable({ rows, isFirstPage, open, chosen, onChosen, hrefOf }: DeadLetterTableProps) {
  const choose = (sequences: readonly number[], isChosen: boolean) => {
    const next = new Set(chosen);
    for (const sequence of sequences) {
      if (isChosen) {
        next.add(sequence);
      } else {
        next.delete(sequence);
      }
    }
    onChosen(next);
  };
  const sequences = rows.map(({ sequence }) => sequence);
  return (
    <>
      {rows.length > 0 && (
        <CheckField
          label="Select all of this page"
          isChecked={sequences.every((sequence) => chosen.has(sequence))}
          onInput={(isChecked) => choose(sequences, isChecked)}
        />
      )}
      <Table
        caption="Dead letters"
        rows={rows}
        keyOf={({ sequence }) => sequence}
        empty={isFirstPage ? "There are no dead letters." : "There are no more dead letters."}
        columns={[
          {
            label: "Select",
            cell: ({ sequence }) => (
              <input
                type="checkbox"
                aria-label={`Select ${sequence}`}
                checked={chosen.has(sequence)}
                onInput={({ currentTarget }) => choose([sequence], currentTarget.checked)}
              />
            ),
          },
          {
            label: "Sequence",
            isName: true,
            cell: ({ sequence }) => (
              <a href={hrefOf(sequence)} aria-current={sequence === open ? "true" : undefined}>
                {formatNumber(sequence)}
              </a>
            ),
          },
          { label: "Reason", cell: ({ reason }) => reasonText(reason) },
          { label: "Deliveries", isNumber: true, cell: ({ deliveries }) => formatNumber(deliveries) },
          { label: "Dead since", cell: ({ deadAt }) => <Time at={deadAt} /> },
        ]}
      />
    </>
  );
}

function reasonText(reason: string): string {
  return visible(reason.length > REASON_CHARACTERS ? `${reason.slice(0, REASON_CHARACTERS)}…` : reason);
}
