import { styleText } from "node:util";

/** As many as leave room for the rest of the line on a terminal of 80 columns. */
const BAR_CELLS = 10;
const REDRAW_MS = 80;
/** Between two lines where no line can be drawn over. */
const PLAIN_MS = 1_000;
const ERASE_LINE = "\r\u001B[2K";

/** How far something has come. */
export type Progress = { label: string; done: number; of: number };

/** `7,329` */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

export function paint(style: "bold" | "dim" | "green" | "red", text: string): string {
  // Plain where the output is no terminal, or NO_COLOR is set.
  return styleText(style, text, { stream: process.stdout });
}

/** Lines of what happened, and under them, on a terminal, one line that shows how far everything is. */
export class Display {
  readonly #progress: () => Progress[];
  readonly #timer: NodeJS.Timeout;
  readonly #startedAt = performance.now();

  constructor(progress: () => Progress[]) {
    this.#progress = progress;
    const isTerminal = process.stdout.isTTY;
    const draw = isTerminal ? () => this.#redraw() : () => console.log(`           ${this.#line(false)}`);
    this.#timer = setInterval(draw, isTerminal ? REDRAW_MS : PLAIN_MS);
  }

  /** Tells of something that happened, with the time since the start. */
  tell(what: string): void {
    this.#erase();
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(2).padStart(7);
    console.log(`${paint("dim", `${seconds} s`)}  ${what}`);
    this.#redraw();
  }

  /** Draws no more. */
  end(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #redraw(): void {
    if (process.stdout.isTTY) {
      process.stdout.write(`${ERASE_LINE}${this.#line(true)}`);
    }
  }

  #erase(): void {
    if (process.stdout.isTTY) {
      process.stdout.write(ERASE_LINE);
    }
  }

  #line(hasBar: boolean): string {
    const [main, ...others] = this.#progress();
    if (main === undefined) {
      return "";
    }
    const filled = Math.floor((BAR_CELLS * main.done) / main.of);
    const bar = hasBar ? `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)}  ` : "";
    const parts = [main, ...others].map(({ label, done }) => `${label} ${formatCount(done).padStart(5)}`);
    return `${bar}${parts.join("   ").slice(0, (process.stdout.columns ?? 120) - BAR_CELLS - 3)}`;
  }
}

/** Lays out rows under their head: the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("   "),
  );
  const rule = "─".repeat(lines[0]?.length ?? 0);
  return [lines[0], rule, ...lines.slice(1)].map((line) => `  ${line ?? ""}`.trimEnd()).join("\n");
}
