import type { From } from "../../rpc/index.ts";
import type { Page, Start } from "../internal/calls.ts";
import type { Refused } from "../platform/refused.ts";
import type { Seen } from "../internal/epoch.ts";

import type { Log } from "./log/log.ts";
import type { StreamRecord } from "./record.ts";
import { refuse, refuseEpoch, withEpoch } from "./refuse.ts";

type Place = { record: StreamRecord; log: Log };

/** Whether a log is the one that somebody saw, and not one that was put back to before that. */
export function holds(log: Log, { sequence, publishedAt }: Seen): boolean {
  const knownAt = log.publishedAt(sequence);
  return sequence <= log.last && (publishedAt === 0 || knownAt === 0 || publishedAt === knownAt);
}

/**
 * EpochChanged or NotFound unless the stream is in the epoch that a reader's position is of, and Conflict unless its log
 * has the position: `lastSequence` for one further on, the actual `previousPublishedAt` for one behind another message.
 * Either is of a log that was put back to an earlier state, or a mistake: served, messages would be passed over in silence.
 *
 * @param place Undefined for a stream that was never used.
 */
export function refuseStart(
  place: Place | undefined,
  epoch: string | undefined,
  from: From = "first",
): Refused | undefined {
  const current = place?.record.epoch;
  const refused = refuseEpoch(current, epoch);
  if (refused !== undefined || typeof from === "string" || !("sequence" in from)) {
    return refused;
  }
  const { sequence, previousPublishedAt = 0 } = from;
  const lastSequence = place?.log.last ?? 0;
  if (sequence > lastSequence + 1) {
    return refuse("Conflict", "the stream ends before that position", withEpoch(current, { lastSequence }));
  }
  if (place !== undefined && !holds(place.log, { sequence: sequence - 1, publishedAt: previousPublishedAt })) {
    const actual = { previousPublishedAt: place.log.publishedAt(sequence - 1) };
    return refuse("Conflict", "another message is before that position", withEpoch(current, actual));
  }
  return undefined;
}

/**
 * Resolves where a reader starts who is not refused. Publish times never go back, so what was published before a time
 * lies before one sequence; where the log has not come to that time yet, the start says so.
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

/** The same for a follower, who goes on from there: told by which message its position is known again. */
export function followFrom(place: Place, from: From): Start {
  const start = startOf(place, from);
  const previousPublishedAt = place.log.publishedAt(start.nextSequence - 1);
  return previousPublishedAt === 0 ? start : { ...start, previousPublishedAt };
}

/** A page of the log from where a reader starts who is not refused. */
export function readFrom(place: Place, from: From, most: { messages: number; bytes: number }): Page {
  const { nextSequence, notBefore: _notBefore, ...start } = startOf(place, from);
  return { ...place.log.read(nextSequence, most.messages, most.bytes), ...start };
}
