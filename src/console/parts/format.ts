/** Numbers, sizes and times as the console writes them, the same in every view. */

const NUMBER = new Intl.NumberFormat("en");
const DECIMAL = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Units of a duration with their milliseconds, longest first. */
const DURATION_UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** A whole number with its thousands apart: `1,234,567`. */
export function formatNumber(value: number): string {
  return NUMBER.format(value);
}

/** A measured number, with as many digits as matter. */
export function formatDecimal(value: number): string {
  return Math.abs(value) >= 1_000 ? NUMBER.format(Math.round(value)) : DECIMAL.format(value);
}

/** A size in units of 1,000: `1.5 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${DECIMAL.format(value)} ${BYTE_UNITS[unit]}`;
}

/** A duration in its two largest units: `2 h 5 min`, `350 ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) {
    return `${Math.max(0, Math.round(ms))} ms`;
  }
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, unitMs] of DURATION_UNITS) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0 || parts.length > 0) {
      parts.push(`${count} ${unit}`);
    }
  }
  return parts
    .slice(0, 2)
    .filter((part) => !part.startsWith("0 "))
    .join(" ");
}

/** A time of this machine's zone: `2026-03-01 14:05:09`. */
export function formatTime(ms: number): string {
  const date = new Date(ms);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return `${day.map(twoDigits).join("-")} ${formatClock(ms)}`;
}

/** The time of day of this machine's zone: `14:05:09`. */
export function formatClock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(":");
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/**
 * Text of a message, a name or a state with what a reader would not see spelt out: control characters, and those that change
 * the direction of what is behind them (unicode.org/reports/tr9, section 2).
 */
export function visible(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
