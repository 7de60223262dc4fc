import { ErrorCode, LIMITS } from "../../../rpc/index.ts";
import type { StreamConfig } from "../../../rpc/index.ts";
import type { Expectation, PublishCall, PublishReply, Refusal } from "../../internal/calls.ts";
import { MESSAGE_SEPARATOR, messageText } from "../../internal/message-text.ts";

import type { KnownId, NewId } from "./publish-ids.ts";
import { refuse, refuseEpoch, withEpoch } from "../refuse.ts";

/** What admission needs to know of a stream. */
export type StreamState = {
  /** Undefined for a stream that was never used. */
  epoch: string | undefined;
  config: StreamConfig;
  last: number;
  messages: number;
  /** Stored text, heads and separators included. */
  bytes: number;
  /** When what is admitted is published, in milliseconds since the epoch. */
  publishedAt: number;
  /** Bytes that may still be written before the stream is full. */
  roomBytes: number;
  findId: (id: string) => KnownId | undefined;
  /** Milliseconds until so many more ids can be remembered; 0 for now. */
  waitMsForIds: (more: number) => number;
};

/** Which requests of a call are stored, where, and why the others are not. */
export type Admission = {
  bodies: string[];
  bytes: number[];
  ids: NewId[];
  firstSequences: number[];
  /** Without a time when the same call stores the id for the first time. */
  duplicates: { request: number; publishedAt: number | undefined; count: number }[];
  refusals: Refusal[];
};

type Verdict = Omit<Refusal, "request"> | undefined;

/**
 * Decides every request of a call on its own, in order: one that is refused does not touch its neighbours, but for those
 * of the same caller behind one that is refused for a time. A known id is looked up before anything else, so that the
 * retry of a publish that had succeeded is a duplicate, whatever would be said of it now. Changes nothing.
 */
export function admit(call: PublishCall, stream: StreamState): Admission {
  const admission: Admission = { bodies: [], bytes: [], ids: [], firstSequences: [], duplicates: [], refusals: [] };
  const expected = new Map(call.expectations?.map((expectation) => [expectation.request, expectation]));
  const refused = new Map(call.refusals?.map(({ request, ...refusal }) => [request, refusal]));
  const newIds = new Map<string, NewId>();
  const heldLanes = new Set<number>();
  let last = stream.last;
  let storedBytes = 0;
  let offset = 0;

  for (const [request, count] of call.counts.entries()) {
    const begin = offset;
    offset += count;
    const id = call.ids?.[request] ?? undefined;
    const known = id === undefined ? undefined : (newIds.get(id) ?? stream.findId(id));
    if (known !== undefined) {
      const publishedAt = "publishedAt" in known ? known.publishedAt : undefined;
      admission.duplicates.push({ request, publishedAt, count: known.count });
      admission.firstSequences.push(known.firstSequence);
      continue;
    }

    const lane = call.lanes?.[request];
    const size = storedSize(call.bytes.slice(begin, offset), last + 1, stream.publishedAt);
    const verdict =
      (lane !== undefined && heldLanes.has(lane) ? heldBack() : undefined) ??
      refused.get(request) ??
      unexpected(expected.get(request), { epoch: stream.epoch, last }) ??
      overStorage(size, stream.roomBytes - storedBytes) ??
      overBounds({ messages: count + last - stream.last, bytes: storedBytes + size, ownBytes: size }, stream) ??
      overIds(id === undefined ? 0 : stream.waitMsForIds(newIds.size + 1));
    if (verdict !== undefined) {
      if (lane !== undefined && verdict.code === ErrorCode.RateLimited) {
        heldLanes.add(lane);
      }
      admission.refusals.push({ request, ...verdict });
      admission.firstSequences.push(0);
      continue;
    }

    if (id !== undefined) {
      newIds.set(id, { id, firstSequence: last + 1, count });
    }
    admission.firstSequences.push(last + 1);
    for (let index = begin; index < offset; index += 1) {
      admission.bodies.push(call.bodies[index] ?? "");
      admission.bytes.push(call.bytes[index] ?? 0);
    }
    last += count;
    storedBytes += size;
  }
  admission.ids = [...newIds.values()];
  return admission;
}

/** What a stream answers to a call, once what was admitted of it is stored. */
export function publishReply(
  { firstSequences, duplicates, refusals }: Admission,
  stored: { epoch: string; publishedAt: number },
): PublishReply {
  return {
    ...stored,
    firstSequences,
    duplicates: duplicates.map(({ publishedAt = stored.publishedAt, ...duplicate }) => ({ ...duplicate, publishedAt })),
    refusals,
  };
}

/** Bytes that messages take in the log, at most: the first one of a row has no separator, which is counted here. */
function storedSize(bodyBytes: readonly number[], firstSequence: number, publishedAt: number): number {
  return bodyBytes.reduce((sum, bytes, index) => {
    const head = messageText(firstSequence + index, publishedAt, "").length;
    return sum + head + bytes + MESSAGE_SEPARATOR.length;
  }, 0);
}

function unexpected(
  { epoch: expectedEpoch, lastSequence }: Omit<Expectation, "request"> = {},
  { epoch, last }: { epoch: string | undefined; last: number },
): Verdict {
  const refused = refuseEpoch(epoch, expectedEpoch);
  if (refused !== undefined || lastSequence === undefined || lastSequence === last) {
    return refused?.refused;
  }
  return refuse("Conflict", "the last sequence is another", withEpoch(epoch, { lastSequence: last })).refused;
}

function overStorage(size: number, roomBytes: number): Verdict {
  return size <= roomBytes ? undefined : { code: ErrorCode.StorageFull, message: "the stream is full", data: {} };
}

/** What the call adds up to and with this request, against the stream's own bounds. */
function overBounds(added: { messages: number; bytes: number; ownBytes: number }, stream: StreamState): Verdict {
  const { maxMessages, maxBytes, discard } = stream.config;
  if (discard === "new" && maxMessages !== undefined && stream.messages + added.messages > maxMessages) {
    return limitReached("maxMessages", maxMessages);
  }
  if (maxBytes !== undefined) {
    const bytes = discard === "new" ? stream.bytes + added.bytes : added.ownBytes;
    return bytes > maxBytes ? limitReached("maxBytes", maxBytes) : undefined;
  }
  return undefined;
}

function limitReached(what: string, limit: number): Verdict {
  return { code: ErrorCode.LimitReached, message: `the stream's ${what} is reached`, data: { what, limit } };
}

function heldBack(): Verdict {
  const message = "a publish before it has to be sent again; this one was not stored";
  return { code: ErrorCode.Unavailable, message, data: {} };
}

function overIds(waitMs: number): Verdict {
  if (waitMs === 0) {
    return undefined;
  }
  return {
    code: ErrorCode.RateLimited,
    message: "too many publish ids within the duplicate window",
    data: { retryAfterMs: waitMs, limit: LIMITS.publishIds },
  };
}
