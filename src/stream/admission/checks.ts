import { ErrorCode, LIMITS } from "../../../rpc/index.ts";
import type { Expectation, Refusal } from "../../internal/calls.ts";
import { MESSAGE_SEPARATOR, messageText } from "../../internal/message-text.ts";

import { refuse, refuseEpoch, withEpoch } from "../refuse.ts";
import type { StreamState } from "./admission-state.ts";

/** Why a request is refused; undefined when it is not. */
export type Verdict = Omit<Refusal, "request"> | undefined;

/**
 * Bytes that messages take in the log, at most: all are counted with the head of the last, and the first one of a row
 * with the separator that it does not have.
 *
 * @param within Where they begin and end in the list of sizes.
 */
export function storedSize(
  bodyBytes: readonly number[],
  [begin, end]: readonly [begin: number, end: number],
  at: { lastSequence: number; publishedAt: number },
): number {
  const head = messageText(at.lastSequence, at.publishedAt, "").length + MESSAGE_SEPARATOR.length;
  let size = head * (end - begin);
  for (let index = begin; index < end; index += 1) {
    size += bodyBytes[index] ?? 0;
  }
  return size;
}

/** The condition of a request does not hold. */
export function unexpected(
  { epoch: expectedEpoch, lastSequence }: Omit<Expectation, "request"> = {},
  { epoch, last }: { epoch: string | undefined; last: number },
): Verdict {
  const refused = refuseEpoch(epoch, expectedEpoch);
  if (refused !== undefined || lastSequence === undefined || lastSequence === last) {
    return refused?.refused;
  }
  return refuse("Conflict", "the last sequence is another", withEpoch(epoch, { lastSequence: last })).refused;
}

/** What the database may grow by. */
export function overStorage(size: number, roomBytes: number): Verdict {
  return size <= roomBytes ? undefined : { code: ErrorCode.StorageFull, message: "the stream is full", data: {} };
}

/** What the call adds up to and with this request, against the stream's own bounds. */
export function overBounds(added: { messages: number; bytes: number; ownBytes: number }, stream: StreamState): Verdict {
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

/** One producer more than the stream can know. */
export function overProducers(room: number): Verdict {
  if (room > 0) {
    return undefined;
  }
  const message =
    "the stream knows as many producers as it can; use fewer, each for longer, or a shorter producerWindowMs";
  return { code: ErrorCode.LimitReached, message, data: { what: "producers", limit: LIMITS.producers } };
}

/** More ids than the duplicate window holds. */
export function overIds(waitMs: number): Verdict {
  if (waitMs === 0) {
    return undefined;
  }
  return {
    code: ErrorCode.RateLimited,
    message: "too many publish ids within the duplicate window",
    data: { retryAfterMs: waitMs, limit: LIMITS.publishIds },
  };
}

/** One of the same caller before it has to be sent again. */
export function heldBack(): Verdict {
  const message = "a publish before it has to be sent again; this one was not stored";
  return { code: ErrorCode.Unavailable, message, data: {} };
}

function limitReached(what: string, limit: number): Verdict {
  return { code: ErrorCode.LimitReached, message: `the stream's ${what} is reached`, data: { what, limit } };
}
