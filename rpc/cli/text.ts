/**
 * Characters that a terminal acts on or that hide text: controls with ESC and the C1 ones, format characters with those
 * that turn the direction of text, line separators, lone surrogates.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text for a terminal: what it would act on is shown as `\u001b`. JSON stays JSON of the same value. */
export function escaped(text: string): string {
  return text.replace(UNSAFE, (character) =>
    Array.from({ length: character.length }, (_, index) => escapeOf(character.charCodeAt(index))).join(""),
  );
}

function escapeOf(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes for people: `1.5 MiB`. */
export function sizeText(bytes: number): string {
  const power = Math.min(SIZES.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${SIZES[power]}`;
}

/** A whole number for people: `1,234,567`. */
export function countText(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** A time of the wire for people, in the zone of this machine: `2026-11-29 04:12:05.123`. */
export function timeText(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return Number.isNaN(local.getTime()) ? String(ms) : local.toISOString().replace("T", " ").replace("Z", "");
}

/** What was done in a time, for people: `1,000 messages in 0.52 s, 1,923/s`. */
export function rateText(count: number, what: string, ms: number): string {
  const seconds = Math.max(ms, 1) / 1_000;
  const name = count === 1 ? what.replace(/s$/, "") : what;
  return `${countText(count)} ${name} in ${seconds.toFixed(2)} s, ${countText(count / seconds)}/s`;
}

/** A field of a result for people, by the endings that the contract gives names: `…At`, `…Bytes`, `…Ms`. */
export function fieldText(name: string, value: unknown): string {
  if (typeof value === "number" && /At$|^time$/.test(name)) {
    return timeText(value);
  }
  if (typeof value === "number" && /bytes$|^size$/i.test(name)) {
    return sizeText(value);
  }
  if (typeof value === "number") {
    return Number.isInteger(value) ? countText(value) : String(value);
  }
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  return value === undefined || value === null
    ? ""
    : escaped(typeof value === "string" ? value : JSON.stringify(value));
}
