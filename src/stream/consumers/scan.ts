import { LIMITS } from "../../../rpc/index.ts";
import type { MessageText } from "../../internal/message-text.ts";
import type { CompiledFilter } from "../../internal/subject.ts";
import type { Log } from "../log/log.ts";
import type { Known } from "../log/subjects.ts";

import { joinLost } from "./cursor/lost.ts";
import type { LostMessages } from "./cursor/types.ts";
import type { LogReader } from "./delivery/log-reader.ts";

/** What a turn of the stream's thread may read, as bytes of messages: about 1 ms. */
export const TURN_BYTES = 131_072;
/** What reading a message costs beside its bytes, and a step by itself. */
export const MESSAGE_COST = 128;
const STEP_COST = 4_096;

/** How much may still be read before other requests have to have a turn. */
export class Effort {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Less than 0 when the last step took more than there was. */
  get left(): number {
    return this.#left;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Something was read. */
  spend({ bytes, messages }: { bytes: number; messages: number }): void {
    this.#left -= STEP_COST + bytes + messages * MESSAGE_COST;
  }
}

/** What a scan reads. */
export type ScanSources = { readonly log: Log; readonly reader: LogReader; readonly effort: Effort };

/** The messages of the log from a sequence above its floor on, and which of them are wanted; undefined for all. */
export type ScanRange = { readonly from: number; readonly filter: CompiledFilter | undefined };
export type FilteredRange = ScanRange & { readonly filter: CompiledFilter };

/** How far a scan came, `from - 1` when it only prepared the next step, and the wanted messages up to there. */
type Step = { readonly through: number; readonly found: LostMessages | undefined };

/** Goes on with a scan as far as one look at the index or one page brings it, to `end` at most. */
export function scanStep(range: ScanRange, end: number, sources: ScanSources): Step {
  const { log, effort } = sources;
  const { from, filter } = range;
  if (filter === undefined) {
    effort.spend({ bytes: 0, messages: 0 });
    return { through: end, found: log.messagesBetween(from, end) };
  }
  const known = log.subjects.at(from, filter);
  if (known.isKnown) {
    return knownStep({ from, filter }, end, { ...sources, known });
  }
  const through = Math.min(known.through, log.last);
  const isWorth = known.isFinal ? through - from >= LIMITS.pageMessages : log.subjects.isWorthFilling(from, through);
  if (isWorth) {
    do {
      effort.spend(log.subjects.fill(from, through));
    } while (log.subjects.isFilling && !effort.isSpent);
    // What was indexed is passed at once.
    return log.subjects.isFilling ? { through: from - 1, found: undefined } : scanStep(range, end, sources);
  }
  return readStep({ from, filter }, Math.min(end, through), sources);
}

/** Scans a range through a sequence, or until the effort is spent. */
export function scanThrough(range: ScanRange, end: number, sources: ScanSources): Step {
  let { from } = range;
  let found: LostMessages | undefined;
  while (from <= end && !sources.effort.isSpent) {
    const step = scanStep({ ...range, from }, end, sources);
    found = joinLost(found, step.found);
    from = step.through + 1;
  }
  return { through: from - 1, found };
}

/** Scans a range to the first wanted message, through a sequence, or until the effort is spent. */
export function scanToFirst(range: ScanRange, end: number, sources: ScanSources): Step {
  let { from } = range;
  while (from <= end && !sources.effort.isSpent) {
    const step = scanStep({ ...range, from }, end, sources);
    if (step.found !== undefined) {
      return step;
    }
    from = step.through + 1;
  }
  return { through: from - 1, found: undefined };
}

/** A segment that lies within the range as a whole is not read. */
function knownStep(
  range: FilteredRange,
  end: number,
  { known, ...sources }: ScanSources & { known: Known & { isKnown: true } },
): Step {
  const { log, effort } = sources;
  const { match, through } = known;
  const limit = Math.min(end, through);
  effort.spend({ bytes: known.size, messages: 0 });
  const candidate = match?.candidate(range.from) ?? Infinity;
  if (match === undefined || candidate > limit) {
    return { through: limit, found: undefined };
  }
  const { first, last, count } = match;
  if (first >= range.from && last <= end && log.firstHole(first, last) > last) {
    return { through: limit, found: { from: first, to: last, total: count } };
  }
  return readStep({ ...range, from: candidate }, limit, sources);
}

function readStep({ from, filter }: FilteredRange, end: number, { reader, effort }: ScanSources): Step {
  const before = reader.bytesRead;
  const page = reader.from(from, LIMITS.pageMessages);
  if (page === undefined) {
    throw new Error("a scan goes beyond the log");
  }
  effort.spend({ bytes: reader.bytesRead - before, messages: page.messages.length });
  const through = Math.min(page.last, end);
  const messages = page.messages.filter(({ sequence }) => sequence <= through);
  return { through, found: foundIn(messages, { from, filter }) };
}

/** Those of some messages that are in a range. */
export function foundIn(messages: readonly MessageText[], { from, filter }: FilteredRange): LostMessages | undefined {
  let [first, last, total] = [0, 0, 0];
  for (const { sequence, subject } of messages) {
    if (sequence >= from && filter.matches(subject)) {
      first = total === 0 ? sequence : first;
      last = sequence;
      total += 1;
    }
  }
  return total === 0 ? undefined : { from: first, to: last, total };
}
