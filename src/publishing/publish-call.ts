import type { RpcError, StoredRange } from "../../rpc/index.ts";

import type { Published, PublishCall, PublishReply, PublishRequest } from "../internal/calls.ts";
import { addProducer, noProducers } from "../internal/producer-runs.ts";
import { refusalError } from "../platform/refused.ts";

/**
 * The requests as one call to the stream.
 *
 * @param lanes Of each request, when any may be refused for a time (see {@link PublishCall}).
 */
export function publishCall(
  stream: string,
  requests: readonly PublishRequest[],
  lanes: number[] | undefined,
): PublishCall {
  const call: PublishCall = { stream, bodies: [], bytes: [], counts: [] };
  if (lanes !== undefined) {
    call.lanes = lanes;
  }
  for (const [index, request] of requests.entries()) {
    call.bodies.push(...request.bodies);
    call.bytes.push(...request.bytes);
    call.counts.push(request.bodies.length);
    if (request.id !== undefined) {
      call.ids ??= Array.from({ length: requests.length }, () => null);
      call.ids[index] = request.id;
    }
    if (request.producer !== undefined) {
      call.producers ??= noProducers();
      addProducer(call.producers, index, request.producer, request.bodies.length);
    }
    if (request.expected !== undefined) {
      call.expectations ??= [];
      call.expectations.push({ request: index, ...request.expected });
    }
    if (request.refusal !== undefined) {
      call.refusals ??= [];
      call.refusals.push({ request: index, ...request.refusal });
    }
  }
  return call;
}

/** What became of each request of a call, in its order. */
export function outcomes(requests: readonly PublishRequest[], reply: PublishReply): (Published | RpcError)[] {
  const { epoch, publishedAt, firstSequences } = reply;
  const published: (Published | RpcError)[] = requests.map((request, index) => {
    const firstSequence = firstSequences[index] ?? 0;
    const lastSequence = firstSequence + request.bodies.length - 1;
    return { epoch, firstSequence, lastSequence, publishedAt, duplicate: false };
  });
  for (const { request, publishedAt: storedAt, count } of reply.duplicates) {
    const firstSequence = firstSequences[request] ?? 0;
    const lastSequence = firstSequence + count - 1;
    published[request] = { epoch, firstSequence, lastSequence, publishedAt: storedAt, duplicate: true };
  }
  for (const { request, ranges } of reply.ranges ?? []) {
    published[request] = { epoch, ...spanOf(ranges), ranges };
  }
  for (const { request, ...refusal } of reply.refusals) {
    published[request] = refusalError(refusal);
  }
  return published;
}

/** From the first message of a request to its last, whatever stands between them. */
function spanOf(ranges: readonly StoredRange[]): Omit<Published, "epoch" | "ranges"> {
  const [first, last] = [ranges[0], ranges.at(-1)];
  if (first === undefined || last === undefined) {
    throw new Error("a request without messages was answered with ranges");
  }
  return {
    firstSequence: first.firstSequence,
    lastSequence: last.firstSequence + (last.approximate === true ? 0 : last.count - 1),
    publishedAt: last.publishedAt,
    duplicate: ranges.every(({ duplicate }) => duplicate),
  };
}
