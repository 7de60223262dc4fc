import { once } from "node:events";
import type { WriteStream } from "node:tty";

import Table from "cli-table3";

import { escaped, fieldText } from "./text.ts";

/** How a command writes, as the flags and the environment say. */
export type Form = {
  /** For people: tables, lines, local times. Else a line of JSON for each result. */
  readonly isHuman: boolean;
  readonly isColored: boolean;
  /** Says more than is asked for: each sequence of a publish. */
  readonly isVerbose: boolean;
};

type Style = "bold" | "dim";

const STYLES: Readonly<Record<Style, readonly [on: number, off: number]>> = { bold: [1, 22], dim: [2, 22] };

/** How often the progress is written. */
const PROGRESS_MS = 100;

const NO_BORDERS = Object.fromEntries(
  "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle"
    .split(" ")
    .map((name) => [name, ""]),
);

/**
 * Where a command writes: results to stdout, all else to stderr. For people a table or a line, in a pipe a line of JSON;
 * what a terminal would act on is escaped.
 */
export class Output {
  readonly form: Form;
  readonly #stdout: WriteStream;
  readonly #stderr: WriteStream;
  #progress = "";
  #progressAt = 0;

  constructor(form: Form, { stdout, stderr }: { stdout: WriteStream; stderr: WriteStream }) {
    this.form = form;
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  /** Whether stdout is a terminal, whatever form was asked for. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY;
  }

  /** Writes text or bytes to stdout as they are, and waits while its reader is slow. */
  async write(text: string | Uint8Array): Promise<void> {
    if (this.isTerminal) {
      this.progress("");
    }
    if (text.length > 0 && !this.#stdout.write(text)) {
      await once(this.#stdout, "drain");
    }
  }

  /** A value as a line of JSON. */
  line(value: unknown): string {
    const text = JSON.stringify(value);
    return `${this.#stdout.isTTY ? escaped(text) : text}\n`;
  }

  /** One result: for people a line for each of its fields. */
  async record(value: object): Promise<void> {
    if (this.form.isHuman) {
      await this.write(this.#table(undefined, fieldsOf(value)));
    } else {
      await this.write(this.line(value));
    }
  }

  /**
   * Results of one kind: for people a table of the columns that are named.
   *
   * @param texts What people are shown in a column in place of its field.
   */
  async table<Row extends object>(
    rows: readonly Row[],
    columns: readonly (keyof Row & string)[],
    texts: { readonly [Column in keyof Row]?: (row: Row) => string } = {},
  ): Promise<void> {
    if (!this.form.isHuman) {
      await this.write(rows.map((row) => this.line(row)).join(""));
    } else if (rows.length > 0) {
      const heads = columns.map((column) => column.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));
      await this.write(
        this.#table(
          heads,
          rows.map((row) => columns.map((column) => texts[column]?.(row) ?? fieldText(column, row[column]))),
        ),
      );
    } else {
      this.note("none");
    }
  }

  /** A line of a confirmation: for people only. */
  async said(text: string): Promise<void> {
    if (this.form.isHuman) {
      await this.write(`${escaped(text)}\n`);
    }
  }

  /** A line on stderr. */
  note(text: string): void {
    this.progress("");
    this.#stderr.write(`${this.#stderr.isTTY ? this.paint("dim", escaped(text)) : escaped(text)}\n`);
  }

  /** Why it failed: one line on stderr. */
  fail(text: string): void {
    this.#stderr.write(`${escaped(text)}\n`);
  }

  /** How far it is, in one line that is written over; on a terminal only. Empty when it is over. */
  progress(text: string): void {
    const nowMs = performance.now();
    const isDue = text === "" ? this.#progress !== "" : nowMs - this.#progressAt >= PROGRESS_MS;
    if (this.#stderr.isTTY && isDue) {
      this.#progress = text;
      this.#progressAt = nowMs;
      this.#stderr.write(`\r\u001b[K${escaped(text)}`);
    }
  }

  /** Text that is safe already, styled where colours are wanted. */
  paint(style: Style, text: string): string {
    const [on, off] = STYLES[style];
    return this.form.isColored ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }

  #table(heads: readonly string[] | undefined, rows: readonly string[][]): string {
    const table = new Table({
      chars: NO_BORDERS,
      head: heads?.map((head) => this.paint("bold", head)) ?? [],
      style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
    });
    const painted = heads === undefined ? rows.map(([name = "", ...rest]) => [this.paint("dim", name), ...rest]) : rows;
    table.push(...painted);
    return `${table.toString().replaceAll(/ +$/gm, "")}\n`;
  }
}

/** The fields of a result, those of a field that is an object by `outer.inner`. */
function fieldsOf(value: object, outer = ""): string[][] {
  return Object.entries(value).flatMap(([name, field]: [string, unknown]) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? fieldsOf(field, `${outer}${name}.`)
      : [[escaped(outer + name), fieldText(name, field)]],
  );
}
