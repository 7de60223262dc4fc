import { splitMessages } from "../../internal/message-text.ts";
import type { MessageText } from "../../internal/message-text.ts";
import type { SubjectMatcher } from "../../internal/subject.ts";

import type { Log } from "./log.ts";

const SCAN_MESSAGES = 500;
const SCAN_BYTES = 1_048_576;

/**
 * A part of the log, from a sequence to the end of the scan, and which messages of it are wanted; undefined for all.
 */
export type ScanRange = { readonly from: number; readonly matches: SubjectMatcher | undefined };

/** The wanted messages that exist: the first, the last, and how many. */
export type ScanResult = { readonly from: number; readonly to: number; readonly total: number };

/**
 * Finds the messages that match in several ranges of the log, which all end at `through`. Each message is read at most
 * once, however many ranges there are. A range without a filter and without holes is not read at all.
 *
 * @returns A result for each range, in order; undefined where nothing matches.
 */
export function scanLog(log: Log, through: number, ranges: readonly ScanRange[]): (ScanResult | undefined)[] {
  const end = Math.min(through, log.last);
  const found = ranges.map((range) => wholeRange(log, end, range));
  const open = [...ranges.entries()].filter(([index]) => found[index] === undefined);
  const start = Math.min(...open.map(([, { from }]) => from));
  for (let next = Math.max(start, log.floor + 1); next <= end;) {
    const page = log.read(next, Math.min(SCAN_MESSAGES, end - next + 1), SCAN_BYTES);
    const messages = splitMessages(page.text);
    for (const [index, range] of open) {
      found[index] = joined(found[index], foundIn(messages, range));
    }
    next = page.last + 1;
  }
  return found;
}

/** The result of a range without a filter and without holes; undefined for a range that has to be read. */
function wholeRange(log: Log, to: number, { from: wanted, matches }: ScanRange): ScanResult | undefined {
  const from = Math.max(wanted, log.floor + 1);
  const total = log.countAbove(from - 1) - log.countAbove(to);
  return matches === undefined && total > 0 && total === to - from + 1 ? { from, to, total } : undefined;
}

function foundIn(messages: readonly MessageText[], { from: wanted, matches }: ScanRange): ScanResult | undefined {
  const matching = messages.filter(
    ({ sequence, subject }) => sequence >= wanted && (matches === undefined || matches(subject)),
  );
  const [first, last] = [matching.at(0), matching.at(-1)];
  return first === undefined || last === undefined
    ? undefined
    : { from: first.sequence, to: last.sequence, total: matching.length };
}

function joined(earlier: ScanResult | undefined, later: ScanResult | undefined): ScanResult | undefined {
  if (earlier === undefined || later === undefined) {
    return earlier ?? later;
  }
  return { from: earlier.from, to: later.to, total: earlier.total + later.total };
}
