import { ErrorCode } from "../../../rpc/index.ts";
import type { StoredRange } from "../../../rpc/index.ts";
import type { Expectation, PublishCall, PublishReply, Refusal } from "../../internal/calls.ts";
import { producerRun } from "../../internal/producer-runs.ts";
import type { PublishProducer } from "../../internal/producer-runs.ts";

import type { StoredRun } from "../log/stored-runs.ts";
import { heldBack, overBounds, overIds, overProducers, overStorage, storedSize, unexpected } from "./checks.ts";
import type { Verdict } from "./checks.ts";
import { ProducerTurns } from "./producer-turns.ts";
import type { NewId } from "./publish-ids.ts";
import type { StreamState } from "./admission-state.ts";

/** What the calls of one commit store, one after the other. */
export class Admitted {
  readonly bodies: string[] = [];
  readonly bytes: number[] = [];
  readonly newIds = new Map<string, NewId>();
  readonly producers: ProducerTurns;
  readonly stream: StreamState;
  /** The last sequence behind all of it. */
  last: number;
  storedBytes = 0;

  constructor(stream: StreamState) {
    this.stream = stream;
    this.producers = new ProducerTurns(stream);
    this.last = stream.last;
  }

  /** What is stored of producers. */
  get runs(): StoredRun[] {
    return this.producers.runs;
  }

  get ids(): NewId[] {
    return [...this.newIds.values()];
  }
}

/** What becomes of the requests of a call: where they are stored, and why the others are not. */
export type Decisions = {
  firstSequences: number[];
  /** Without a time when the same commit stores it for the first time. */
  duplicates: { request: number; publishedAt: number | undefined; count: number }[];
  ranges: { request: number; ranges: StoredRange[] }[];
  refusals: Refusal[];
};

/**
 * Decides every request of a call on its own, in order: one that is refused does not touch its neighbours, but for those
 * of the same caller behind one that is refused for a time, and of the same producer behind one that is not stored. What
 * was stored before is found before anything else, so that the retry of a publish that had succeeded is a duplicate,
 * whatever would be said of it now. Changes nothing but `admitted`, which the call's messages are added to.
 */
export function admit(call: PublishCall, admitted: Admitted): Decisions {
  const admitting = new Admitting(call, admitted);
  let request = 0;
  for (let index = 0; request < call.counts.length; index += 1) {
    const run = call.producers === undefined ? undefined : producerRun(call.producers, index);
    const start = run?.request ?? call.counts.length;
    if (start > request) {
      admitting.decideAll(request, start, undefined);
    }
    request = start + (run?.length ?? 0);
    if (run !== undefined) {
      admitting.decideAll(start, request, run.producer);
    }
  }
  return admitting.decisions;
}

/** Requests from `index` on, before `to`, with where their messages begin and end in those of the call. */
type Requests = {
  index: number;
  to: number;
  begin: number;
  end: number;
  id: string | undefined;
  producer: PublishProducer | undefined;
};

/** Decides the requests of one call, one after the other. */
class Admitting {
  readonly decisions: Decisions = { firstSequences: [], duplicates: [], ranges: [], refusals: [] };
  readonly #call: PublishCall;
  readonly #admitted: Admitted;
  readonly #expected: ReadonlyMap<number, Expectation>;
  readonly #refused: ReadonlyMap<number, Refusal>;
  /** Whether no request has an id, a condition or a refusal. */
  readonly #isPlain: boolean;
  readonly #heldLanes = new Set<number>();
  #offset = 0;

  constructor(call: PublishCall, admitted: Admitted) {
    this.#call = call;
    this.#admitted = admitted;
    this.#expected = new Map(call.expectations?.map((expectation) => [expectation.request, expectation]));
    this.#refused = new Map(call.refusals?.map((refusal) => [refusal.request, refusal]));
    this.#isPlain = call.ids === undefined && this.#expected.size === 0 && this.#refused.size === 0;
  }

  /** Decides the requests from `index` on, before `to`. @param producer Of the first, if they are a run of one. */
  decideAll(index: number, to: number, producer: PublishProducer | undefined): void {
    const begin = this.#offset;
    if (
      this.#isPlain &&
      this.#storeTogether({ index, to, begin, end: this.#endOf(index, to), id: undefined, producer })
    ) {
      return;
    }
    this.#offset = begin;
    for (let each = index; each < to; each += 1) {
      const follows = producer !== undefined && each > index;
      const { id = "", epoch = 0, sequence = 0 } = producer ?? {};
      this.#decide(each, follows ? { id, epoch, sequence: sequence + this.#offset - begin } : producer);
    }
  }

  /**
   * Stores requests as if they were one: where that passes, each would, because a bound that all keep together is kept
   * by each, and a producer's turn goes from one to the next.
   */
  #storeTogether(requests: Requests): boolean {
    const turn = this.#turn(requests);
    const isNew = turn === undefined || ("stored" in turn && turn.stored.length === 0);
    const size = this.#size(requests);
    if (!isNew || this.#verdict(requests, size, undefined) !== undefined) {
      return false;
    }
    this.#store(requests, size, []);
    return true;
  }

  #decide(index: number, producer: PublishProducer | undefined): void {
    const begin = this.#offset;
    const id = this.#call.ids?.[index] ?? undefined;
    const { newIds, stream } = this.#admitted;
    const request: Requests = { index, to: index + 1, begin, end: this.#endOf(index, index + 1), id, producer };
    const known = id === undefined ? undefined : (newIds.get(id) ?? stream.findId(id));
    if (known === undefined) {
      this.#decideNew(request);
      return;
    }
    const publishedAt = "publishedAt" in known ? known.publishedAt : undefined;
    this.decisions.duplicates.push({ request: index, publishedAt, count: known.count });
    this.decisions.firstSequences.push(known.firstSequence);
  }

  /** Decides a request whose id is not known; its producer may have stored some of it, or all. */
  #decideNew(request: Requests): void {
    const turn = this.#turn(request);
    const stored = turn !== undefined && "stored" in turn ? turn.stored : [];
    const begin = stored.reduce((sum, range) => sum + range.count, request.begin);
    if (stored.length > 0 && begin === request.end) {
      this.decisions.ranges.push({ request: request.index, ranges: stored });
      this.decisions.firstSequences.push(0);
      return;
    }
    const rest = { ...request, begin };
    const size = this.#size(rest);
    const verdict = this.#verdict(rest, size, turn !== undefined && "refused" in turn ? turn.refused : undefined);
    if (verdict === undefined) {
      this.#store(rest, size, stored);
    } else {
      this.#refuse(request.index, verdict);
    }
  }

  /** Where the messages end of the requests from `index` on, before `to`; those after them begin there. */
  #endOf(index: number, to: number): number {
    for (let each = index; each < to; each += 1) {
      this.#offset += this.#call.counts[each] ?? 0;
    }
    return this.#offset;
  }

  #turn({ producer, begin, end }: Requests): ReturnType<ProducerTurns["turn"]> | undefined {
    return producer === undefined ? undefined : this.#admitted.producers.turn(producer, end - begin);
  }

  #size({ begin, end }: Requests): number {
    const { last, stream } = this.#admitted;
    const at = { lastSequence: last + end - begin, publishedAt: stream.publishedAt };
    return storedSize(this.#call.bytes, [begin, end], at);
  }

  /** Why requests are refused. @param outOfTurn When it is not their producer's turn. */
  #verdict({ index, begin, end, id, producer }: Requests, size: number, outOfTurn: Verdict): Verdict {
    const { stream, last, storedBytes, newIds, producers } = this.#admitted;
    const messages = end - begin + last - stream.last;
    const lane = this.#call.lanes?.[index];
    return (
      (lane !== undefined && this.#heldLanes.has(lane) ? heldBack() : undefined) ??
      this.#refused.get(index) ??
      outOfTurn ??
      unexpected(this.#expected.get(index), { epoch: stream.epoch, last }) ??
      overStorage(size, stream.roomBytes - storedBytes) ??
      overBounds({ messages, bytes: storedBytes + size, ownBytes: size }, stream) ??
      overIds(id === undefined ? 0 : stream.waitMsForIds(newIds.size + 1)) ??
      (producer === undefined ? undefined : overProducers(producers.roomFor(producer.id)))
    );
  }

  #refuse(index: number, { code, message, data }: Omit<Refusal, "request">): void {
    const lane = this.#call.lanes?.[index];
    if (lane !== undefined && code === ErrorCode.RateLimited) {
      this.#heldLanes.add(lane);
    }
    this.decisions.refusals.push({ request: index, code, message, data });
    this.decisions.firstSequences.push(0);
  }

  /** @param before Where the messages are that their producer has stored before. */
  #store({ index, to, begin, end, id, producer }: Requests, size: number, before: readonly StoredRange[]): void {
    const admitted = this.#admitted;
    const [firstSequence, count] = [admitted.last + 1, end - begin];
    if (id !== undefined) {
      admitted.newIds.set(id, { id, firstSequence, count });
    }
    if (producer !== undefined) {
      const skipped = before.reduce((sum, range) => sum + range.count, 0);
      admitted.producers.store(producer, { skipped, count, firstSequence });
    }
    if (before.length > 0) {
      const { publishedAt } = admitted.stream;
      const ranges = [...before, { count, firstSequence, publishedAt, duplicate: false }];
      this.decisions.ranges.push({ request: index, ranges });
    }
    let next = firstSequence;
    for (let each = index; each < to; each += 1) {
      this.decisions.firstSequences.push(next);
      next += this.#call.counts[each] ?? 0;
    }
    for (let at = begin; at < end; at += 1) {
      admitted.bodies.push(this.#call.bodies[at] ?? "");
      admitted.bytes.push(this.#call.bytes[at] ?? 0);
    }
    admitted.last += count;
    admitted.storedBytes += size;
  }
}

/** What a stream answers to each call, once what was admitted of them is stored. */
export function publishReplies(
  decisions: readonly Decisions[],
  { stream: { publishedAt: now } }: Admitted,
  epoch: string,
): PublishReply[] {
  return decisions.map(({ firstSequences, duplicates, ranges, refusals }) => {
    const timed = duplicates.map(({ publishedAt = now, ...rest }) => ({ ...rest, publishedAt }));
    const reply: PublishReply = { epoch, publishedAt: now, firstSequences, duplicates: timed, refusals };
    return ranges.length === 0 ? reply : { ...reply, ranges };
  });
}
