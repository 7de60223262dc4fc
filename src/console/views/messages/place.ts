import type { Place } from "../../tail/tail.ts";

/** Where the `at` of an address leads: a sequence, `first`, or a time; the end without one. */
export function placeOf(at: string | null): Place {
  if (at === null || at === "") {
    return "last";
  }
  return at === "first" ? "first" : (placeOfText(at) ?? "last");
}

/**
 * What somebody may type as a place: a sequence, a time in any form that a browser reads, or a time of today such as `14:05`.
 * Undefined when it is none.
 */
export function placeOfText(text: string): Exclude<Place, string> | undefined {
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) {
    const sequence = Number(trimmed);
    return sequence >= 1 && Number.isSafeInteger(sequence) ? { sequence } : undefined;
  }
  const ofToday = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?$/.exec(trimmed);
  if (ofToday !== null) {
    const [, hours, minutes, seconds = "0", thousandths = "0"] = ofToday;
    const time = new Date().setHours(
      Number(hours),
      Number(minutes),
      Number(seconds),
      Number(thousandths.padEnd(3, "0")),
    );
    return Number(hours) < 24 && Number(minutes) < 60 ? { time } : undefined;
  }
  // A number in it is not enough: browsers read a date in many a word.
  const time = /^\d{4}-\d{2}-\d{2}/.test(trimmed) ? Date.parse(trimmed.replace(/^(\S+) (\d)/, "$1T$2")) : Number.NaN;
  return Number.isNaN(time) || time < 0 ? undefined : { time };
}
