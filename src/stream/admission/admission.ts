import { ErrorCode } from "../../../rpc/index.ts";
import type { StoredRange } from "../../../rpc/index.ts";
import type { PublishCall, PublishReply, Refusal } from "../../internal/calls.ts";

import type { StoredRun } from "../log/stored-runs.ts";
import { heldBack, overBounds, overIds, overProducers, overStorage, storedSize, unexpected } from "./checks.ts";
import type { Verdict } from "./checks.ts";
import { ProducerTurns } from "./producer-turns.ts";
import type { NewId } from "./publish-ids.ts";
import type { StreamState } from "./admission-state.ts";

/** Which requests of a call are stored, where, and why the others are not. */
export type Admission = {
  bodies: string[];
  bytes: number[];
  ids: NewId[];
  /** What is stored of producers. */
  runs: StoredRun[];
  firstSequences: number[];
  /** Without a time when the same call stores it for the first time. */
  duplicates: { request: number; publishedAt: number | undefined; count: number }[];
  ranges: { request: number; ranges: StoredRange[] }[];
  refusals: Refusal[];
};

/**
 * Decides every request of a call on its own, in order: one that is refused does not touch its neighbours, but for those
 * of the same caller behind one that is refused for a time, and of the same producer behind one that is not stored. What
 * was stored before is found before anything else, so that the retry of a publish that had succeeded is a duplicate,
 * whatever would be said of it now. Changes nothing.
 */
export function admit(call: PublishCall, stream: StreamState): Admission {
  const admission: Admission = {
    bodies: [],
    bytes: [],
    ids: [],
    runs: [],
    firstSequences: [],
    duplicates: [],
    ranges: [],
    refusals: [],
  };
  const expected = new Map(call.expectations?.map((expectation) => [expectation.request, expectation]));
  const refused = new Map(call.refusals?.map(({ request, ...refusal }) => [request, refusal]));
  const newIds = new Map<string, NewId>();
  const producers = new ProducerTurns(stream);
  const heldLanes = new Set<number>();
  let last = stream.last;
  let storedBytes = 0;
  let offset = 0;
  for (const [request, count] of call.counts.entries()) {
    let begin = offset;
    offset += count;
    const id = call.ids?.[request] ?? undefined;
    const known = id === undefined ? undefined : (newIds.get(id) ?? stream.findId(id));
    if (known !== undefined) {
      const publishedAt = "publishedAt" in known ? known.publishedAt : undefined;
      admission.duplicates.push({ request, publishedAt, count: known.count });
      admission.firstSequences.push(known.firstSequence);
      continue;
    }
    const producer = call.producers?.[request] ?? undefined;
    const turn = producer === undefined ? undefined : producers.turn(producer, count);
    const before = turn !== undefined && "stored" in turn ? turn.stored : [];
    begin += before.reduce((sum, range) => sum + range.count, 0);
    if (begin === offset && before.length > 0) {
      admission.firstSequences.push(before[0]?.firstSequence ?? 0);
      admission.ranges.push({ request, ranges: before });
      continue;
    }

    const lane = call.lanes?.[request];
    const size = storedSize(call.bytes.slice(begin, offset), last + 1, stream.publishedAt);
    const verdict: Verdict =
      (lane !== undefined && heldLanes.has(lane) ? heldBack() : undefined) ??
      refused.get(request) ??
      (turn !== undefined && "refused" in turn ? turn.refused : undefined) ??
      unexpected(expected.get(request), { epoch: stream.epoch, last }) ??
      overStorage(size, stream.roomBytes - storedBytes) ??
      overBounds(
        { messages: offset - begin + last - stream.last, bytes: storedBytes + size, ownBytes: size },
        stream,
      ) ??
      overIds(id === undefined ? 0 : stream.waitMsForIds(newIds.size + 1)) ??
      (producer === undefined ? undefined : overProducers(producers.roomFor(producer.id)));
    if (verdict !== undefined) {
      if (lane !== undefined && verdict.code === ErrorCode.RateLimited) {
        heldLanes.add(lane);
      }
      admission.refusals.push({ request, ...verdict });
      admission.firstSequences.push(0);
      continue;
    }

    const [firstSequence, stored] = [last + 1, offset - begin];
    if (id !== undefined) {
      newIds.set(id, { id, firstSequence, count });
    }
    if (producer !== undefined) {
      producers.store(producer, { skipped: count - stored, count: stored, firstSequence });
    }
    if (before.length > 0) {
      const rest = { count: stored, firstSequence, publishedAt: stream.publishedAt, duplicate: false };
      admission.ranges.push({ request, ranges: [...before, rest] });
    }
    admission.firstSequences.push(firstSequence);
    for (let index = begin; index < offset; index += 1) {
      admission.bodies.push(call.bodies[index] ?? "");
      admission.bytes.push(call.bytes[index] ?? 0);
    }
    last += stored;
    storedBytes += size;
  }
  admission.ids = [...newIds.values()];
  admission.runs = producers.runs;
  return admission;
}

/** What a stream answers to a call, once what was admitted of it is stored. */
export function publishReply(
  { firstSequences, duplicates, ranges, refusals }: Admission,
  stored: { epoch: string; publishedAt: number },
): PublishReply {
  const reply: PublishReply = {
    ...stored,
    firstSequences,
    duplicates: duplicates.map(({ publishedAt = stored.publishedAt, ...duplicate }) => ({ ...duplicate, publishedAt })),
    refusals,
  };
  return ranges.length === 0 ? reply : { ...reply, ranges };
}
