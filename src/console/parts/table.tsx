import type { ComponentChildren } from "preact";

type Column<Row> = {
  readonly label: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Right-aligned, with digits of one width. */
  readonly isNumber?: boolean;
  /** Names its row: the header of the row to a screen reader. */
  readonly isName?: boolean;
};

type TableProps<Row> = {
  /** What the rows are, for a screen reader. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string | number;
  /** What is shown in place of rows when there are none. */
  readonly empty: ComponentChildren;
};

/** A table, which scrolls sideways in a narrow window. */
export function Table<Row>({ caption, columns, rows, keyOf, empty }: TableProps<Row>) {
  if (rows.length === 0) {
    return <p class="empty">{empty}</p>;
  }
  return (
    <div class="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ label, isNumber }) => (
              <th key={label} scope="col" class={isNumber ? "number" : ""}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ label, cell, isNumber, isName }) =>
                isName ? (
                  <th key={label} scope="row">
                    {cell(row)}
                  </th>
                ) : (
                  <td key={label} class={isNumber ? "number" : ""}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
