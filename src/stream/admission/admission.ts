import { ErrorCode } from "../../../rpc/index.ts";
import type { StoredRange } from "../../../rpc/index.ts";
import type { Expectation, PublishCall, PublishProducer, PublishReply, Refusal } from "../../internal/calls.ts";

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
  const admitting = new Admitting(call, stream);
  call.counts.forEach((_, request) => admitting.decide(request));
  return admitting.admission;
}

/** A request, with where its messages begin and end in those of its call. */
type Request = {
  index: number;
  begin: number;
  end: number;
  id: string | undefined;
  producer: PublishProducer | undefined;
};

/** Decides the requests of one call, one after the other. */
class Admitting {
  readonly admission: Admission;
  readonly #call: PublishCall;
  readonly #stream: StreamState;
  readonly #expected: ReadonlyMap<number, Expectation>;
  readonly #refused: ReadonlyMap<number, Refusal>;
  readonly #newIds = new Map<string, NewId>();
  readonly #producers: ProducerTurns;
  readonly #heldLanes = new Set<number>();
  #last: number;
  #storedBytes = 0;
  #offset = 0;

  constructor(call: PublishCall, stream: StreamState) {
    this.#call = call;
    this.#stream = stream;
    this.#expected = new Map(call.expectations?.map((expectation) => [expectation.request, expectation]));
    this.#refused = new Map(call.refusals?.map((refusal) => [refusal.request, refusal]));
    this.#producers = new ProducerTurns(stream);
    this.#last = stream.last;
    const { runs } = this.#producers;
    this.admission = {
      bodies: [],
      bytes: [],
      ids: [],
      runs,
      firstSequences: [],
      duplicates: [],
      ranges: [],
      refusals: [],
    };
  }

  decide(index: number): void {
    const { ids, producers, counts } = this.#call;
    const begin = this.#offset;
    this.#offset += counts[index] ?? 0;
    const id = ids?.[index] ?? undefined;
    const request: Request = { index, begin, end: this.#offset, id, producer: producers?.[index] ?? undefined };
    const known = id === undefined ? undefined : (this.#newIds.get(id) ?? this.#stream.findId(id));
    if (known === undefined) {
      this.#decideNew(request);
      return;
    }
    const publishedAt = "publishedAt" in known ? known.publishedAt : undefined;
    this.admission.duplicates.push({ request: index, publishedAt, count: known.count });
    this.admission.firstSequences.push(known.firstSequence);
  }

  /** Decides a request whose id is not known; its producer may have stored some of it, or all. */
  #decideNew(request: Request): void {
    const { index, end, producer } = request;
    const turn = producer === undefined ? undefined : this.#producers.turn(producer, end - request.begin);
    const stored = turn !== undefined && "stored" in turn ? turn.stored : [];
    const begin = stored.reduce((sum, range) => sum + range.count, request.begin);
    if (stored.length > 0 && begin === end) {
      this.admission.ranges.push({ request: index, ranges: stored });
      this.admission.firstSequences.push(0);
      return;
    }
    const rest = { ...request, begin };
    const size = storedSize(this.#call.bytes.slice(begin, end), this.#last + 1, this.#stream.publishedAt);
    const verdict = this.#verdict(rest, size, turn !== undefined && "refused" in turn ? turn.refused : undefined);
    if (verdict === undefined) {
      this.#store(rest, size, stored);
    } else {
      this.#refuse(index, verdict);
    }
  }

  /** Why a request is refused. @param outOfTurn When it is not its producer's turn. */
  #verdict({ index, begin, end, id, producer }: Request, size: number, outOfTurn: Verdict): Verdict {
    const stream = this.#stream;
    const messages = end - begin + this.#last - stream.last;
    const lane = this.#call.lanes?.[index];
    return (
      (lane !== undefined && this.#heldLanes.has(lane) ? heldBack() : undefined) ??
      this.#refused.get(index) ??
      outOfTurn ??
      unexpected(this.#expected.get(index), { epoch: stream.epoch, last: this.#last }) ??
      overStorage(size, stream.roomBytes - this.#storedBytes) ??
      overBounds({ messages, bytes: this.#storedBytes + size, ownBytes: size }, stream) ??
      overIds(id === undefined ? 0 : stream.waitMsForIds(this.#newIds.size + 1)) ??
      (producer === undefined ? undefined : overProducers(this.#producers.roomFor(producer.id)))
    );
  }

  #refuse(index: number, { code, message, data }: Omit<Refusal, "request">): void {
    const lane = this.#call.lanes?.[index];
    if (lane !== undefined && code === ErrorCode.RateLimited) {
      this.#heldLanes.add(lane);
    }
    this.admission.refusals.push({ request: index, code, message, data });
    this.admission.firstSequences.push(0);
  }

  /** @param before Where the messages are that its producer has stored before. */
  #store({ index, begin, end, id, producer }: Request, size: number, before: readonly StoredRange[]): void {
    const { bodies, bytes, ids, firstSequences, ranges } = this.admission;
    const [firstSequence, count] = [this.#last + 1, end - begin];
    if (id !== undefined) {
      const newId = { id, firstSequence, count };
      this.#newIds.set(id, newId);
      ids.push(newId);
    }
    if (producer !== undefined) {
      const skipped = before.reduce((sum, range) => sum + range.count, 0);
      this.#producers.store(producer, { skipped, count, firstSequence });
    }
    if (before.length > 0) {
      const { publishedAt } = this.#stream;
      ranges.push({ request: index, ranges: [...before, { count, firstSequence, publishedAt, duplicate: false }] });
    }
    firstSequences.push(firstSequence);
    for (let at = begin; at < end; at += 1) {
      bodies.push(this.#call.bodies[at] ?? "");
      bytes.push(this.#call.bytes[at] ?? 0);
    }
    this.#last += count;
    this.#storedBytes += size;
  }
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
