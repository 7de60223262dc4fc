/** Durations and sizes as a person types them: a number with a unit, or a bare number of milliseconds or bytes. */

const MS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, kB: 1_000, MB: 1_000_000, GB: 1_000_000_000 } as const;

/** The milliseconds of `90 s`, `1.5 h` or `250`; undefined for what is neither. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, MS);
}

/** The bytes of `500 MB` or `1048576`; undefined for what is neither. */
export function parseBytes(text: string): number | undefined {
  return parseQuantity(text, BYTES);
}

/** A whole number, with or without commas between thousands; undefined for what is none. */
export function parseCount(text: string): number | undefined {
  return /^\s*\d[\d,]*\s*$/.test(text) ? Number(text.replaceAll(",", "")) : undefined;
}

/** A duration that {@link parseDuration} reads as the same: in the largest unit that it is a whole number of. */
export function durationText(ms: number): string {
  return quantityText(ms, MS);
}

export function bytesText(bytes: number): string {
  return quantityText(bytes, BYTES);
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits = "", unit = ""] = /^\s*(\d[\d,]*(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const names = Object.keys(units);
  const name = unit === "" ? names[0] : names.find((each) => each.toLowerCase() === unit.toLowerCase());
  return digits === "" || name === undefined
    ? undefined
    : Math.round(Number(digits.replaceAll(",", "")) * (units[name] ?? 1));
}

function quantityText(value: number, units: Readonly<Record<string, number>>): string {
  const [unit, size] = Object.entries(units).findLast(([, each]) => value % each === 0) ?? ["", 1];
  return value === 0 ? "0" : `${value / size} ${unit}`;
}
