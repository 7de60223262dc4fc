import type { From } from "../../rpc/index.ts";
import type { Page, PageCall, Start } from "../internal/calls.ts";
import type { Seen } from "../internal/epoch.ts";
import { inPieces } from "../internal/pieces.ts";
import { compileFilter } from "../internal/subject.ts";

import type { Log } from "./log/log.ts";
import type { StreamRecord } from "./record.ts";
import { expectEpoch, RefusedError, withEpoch } from "./refuse.ts";

type Place = { record: StreamRecord; log: Log };

/** Whether a log still is the one that somebody saw: false when it was restored to before that. */
export function holds(log: Log, { sequence, publishedAt }: Seen): boolean {
  const knownAt = log.publishedAt(sequence);
  return sequence <= log.last && (publishedAt === 0 || knownAt === 0 || publishedAt === knownAt);
}

/**
 * Conflict when the log does not have the newest message that a client says it has seen: the stream was restored to an
 * earlier state, or the client made a mistake. Its word changes nothing of the stream.
 */
export function expectSeen({ record, log }: Place, seen: Seen | undefined): void {
  if (seen !== undefined && !holds(log, seen)) {
    const facts = withEpoch(record.epoch, { lastSequence: log.last });
    throw new RefusedError("Conflict", "the log does not have the message that was seen", facts);
  }
}

/**
 * Refuses a position that the log does not have. Reading from there would skip messages without notice.
 *
 * EpochChanged or NotFound when the stream is not in the epoch of the position. Conflict with `lastSequence` when the
 * position is after the end of the log, and with the actual `previousPublishedAt` when another message is before it:
 * the log was restored to an earlier state, or the caller made a mistake.
 *
 * @param place Undefined for a stream that was never used.
 * @throws RefusedError
 */
export function expectStart(place: Place | undefined, epoch: string | undefined, from: From = "first"): void {
  const current = place?.record.epoch;
  expectEpoch(current, epoch);
  if (typeof from === "string" || !("sequence" in from)) {
    return;
  }
  const { sequence, previousPublishedAt = 0 } = from;
  const lastSequence = place?.log.last ?? 0;
  if (sequence > lastSequence + 1) {
    const facts = withEpoch(current, { lastSequence });
    throw new RefusedError("Conflict", "the stream ends before that position", facts);
  }
  if (place !== undefined && !holds(place.log, { sequence: sequence - 1, publishedAt: previousPublishedAt })) {
    const facts = withEpoch(current, { previousPublishedAt: place.log.publishedAt(sequence - 1) });
    throw new RefusedError("Conflict", "another message is before that position", facts);
  }
}

/**
 * Resolves where a reader starts, after {@link expectStart}. Publish times never decrease, so a time is one position in
 * the log; for a time in the future, `notBefore` is set.
 */
export function startOf({ record, log }: Place, from: From): Start {
  const start = { epoch: record.epoch, lastSequence: log.last };
  if (from === "first") {
    return { ...start, nextSequence: log.firstSequence() };
  }
  if (from === "new") {
    return { ...start, nextSequence: log.last + 1 };
  }
  if ("last" in from) {
    return { ...start, nextSequence: log.floorForCount(from.last) + 1 };
  }
  const { time } = from;
  const earliest = time === undefined ? log.floor + 1 : log.sequenceAt(time);
  const notBefore = time === undefined || time <= log.lastPublishedAt ? {} : { notBefore: time };
  if (!("sequence" in from)) {
    return { ...start, ...notBefore, nextSequence: earliest };
  }
  const { sequence } = from;
  const skipped = sequence > log.floor ? {} : { skipped: { from: sequence, to: log.floor } };
  return { ...start, ...notBefore, ...skipped, nextSequence: Math.max(sequence, earliest) };
}

/** The same for a follower, with the publish time of the message before its position, by which it resumes later. */
export function followFrom(place: Place, from: From): Start {
  const start = startOf(place, from);
  const previousPublishedAt = place.log.publishedAt(start.nextSequence - 1);
  return previousPublishedAt === 0 ? start : { ...start, previousPublishedAt };
}

/** A page of the log from where a reader starts. @throws As {@link expectStart}. */
export function readFrom(place: Place, ...call: PageCall): Page {
  const [from, messages, bytes, epoch, filter, takesPieces = false] = call;
  expectStart(place, epoch, from);
  const { nextSequence, notBefore: _notBefore, ...start } = startOf(place, from);
  const { passed, through, looked } = passedFrom(place.log, nextSequence, filter);
  const first = passed === undefined ? nextSequence : passed.to + 1;
  const page = inPieces(place.log.read(first, Math.min(messages, through - first + 1), bytes), takesPieces);
  if (passed === undefined) {
    return { ...page, ...start, looked };
  }
  const publishedAt = page.last < first ? place.log.publishedAt(page.last) : page.publishedAt;
  return { ...page, publishedAt, ...start, passed, looked };
}

/**
 * A stretch in which all messages are there and none matches a filter; undefined when that is not known of the first. What
 * may match behind it is read `through` a sequence: what follows is passed over by the next page.
 */
function passedFrom(
  log: Log,
  nextSequence: number,
  filter: string | undefined,
): Pick<Page, "passed" | "looked"> & { through: number } {
  if (filter === undefined) {
    return { through: Infinity };
  }
  const from = Math.max(nextSequence, log.floor + 1);
  const { sequence, through, size: looked } = log.subjects.firstCandidate(from, log.last, compileFilter(filter));
  // What is deleted has to be told.
  const to = log.firstHole(from, sequence - 1) - 1;
  return { passed: to < from ? undefined : { from, to }, through, looked };
}
