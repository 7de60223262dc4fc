import { InvalidArgumentError } from "commander";

import type { From } from "../index.ts";

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Makes a parser of a whole number of a range. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= least && number <= most)) {
      const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
      throw new InvalidArgumentError(`It must be a whole number, ${range}.`);
    }
    return number;
  };
}

/** A length of time: `250ms`, `5s`, `10m`, `2h`, `7d`. */
export function duration(text: string): number {
  const [, amount, unit = ""] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (amount === undefined || unitMs === undefined) {
    throw new InvalidArgumentError("It must be a number and a unit: 250ms, 5s, 10m, 2h or 7d.");
  }
  return Number(amount) * unitMs;
}

/** Several lengths of time: `1s,10s,1m`. */
export function durations(text: string): number[] {
  return text === "" ? [] : text.split(",").map(duration);
}

/** Where to start: `first`, `new`, a sequence, a time, a length of time ago, or `last:N`. */
export function from(text: string): From {
  if (text === "first" || text === "new") {
    return text;
  }
  const [, last] = /^last:(\d+)$/.exec(text) ?? [];
  if (last !== undefined) {
    return { last: whole(0)(last) };
  }
  if (/^\d+$/.test(text)) {
    return { sequence: whole(1)(text) };
  }
  const time = /^\d+(ms|s|m|h|d)$/.test(text) ? Date.now() - duration(text) : Date.parse(text);
  if (Number.isNaN(time) || time < 0) {
    throw new InvalidArgumentError(
      "It must be first, new, a sequence like 17, last:10, a time like 2026-11-29T04:00:00Z, or 5m for five minutes ago.",
    );
  }
  return { time };
}

/** Collects `name=value` of an option that may be given several times. */
export function pair(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) {
    throw new InvalidArgumentError("It must be name=value.");
  }
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** A variadic argument of sequences. */
export function sequences(text: string, before: readonly number[] = []): number[] {
  return [...before, whole(1)(text)];
}

/** The same options without those that were not given: the contract takes no `undefined`. */
export function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // What is left out was undefined.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
