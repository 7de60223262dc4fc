import type { RpcError, StoredRange } from "../../rpc/index.ts";

import type { Published, PublishCall, PublishReply, PublishRequest } from "../internal/calls.ts";
import { refusalError } from "../platform/refused.ts";

import type { PublishLane } from "./publish-order.ts";

/** Publishes of one caller to one stream that came together, in their order. */
export type PublishGroup = {
  readonly requests: readonly PublishRequest[];
  /** The caller's lane to the stream; undefined for a caller that sends nothing again. */
  readonly lane: PublishLane | undefined;
  /** The number of each request in the lane. */
  readonly orders: readonly number[];
};

/** What became of a publish. */
export type PublishOutcome = Published | RpcError;

/** The requests of the groups as one call to the stream. */
export function publishCall(stream: string, groups: readonly PublishGroup[]): PublishCall {
  const call: PublishCall = { stream, bodies: [], bytes: [], counts: [] };
  const count = groups.reduce((sum, { requests }) => sum + requests.length, 0);
  for (const { requests } of groups) {
    for (const request of requests) {
      addRequest(call, request, count);
    }
  }
  if (call.ids !== undefined) {
    // Only what carries an id may be refused for a time.
    call.lanes = lanesOf(groups);
  }
  return call;
}

/** @param count How many requests the call has in all. */
function addRequest(call: PublishCall, request: PublishRequest, count: number): void {
  const index = call.counts.length;
  const { bodies, bytes, id, producer, expected, refusal } = request;
  for (let at = 0; at < bodies.length; at += 1) {
    call.bodies.push(bodies[at] ?? "");
    call.bytes.push(bytes[at] ?? 0);
  }
  call.counts.push(bodies.length);
  if (id !== undefined) {
    call.ids ??= Array.from({ length: count }, () => null);
    call.ids[index] = id;
  }
  if (producer !== undefined) {
    call.producers ??= Array.from({ length: count }, () => null);
    call.producers[index] = producer;
  }
  if (expected !== undefined) {
    call.expectations ??= [];
    call.expectations.push({ request: index, ...expected });
  }
  if (refusal !== undefined) {
    call.refusals ??= [];
    call.refusals.push({ request: index, ...refusal });
  }
}

/** For each request the number of its caller's lane. */
function lanesOf(groups: readonly PublishGroup[]): number[] {
  const numbers = new Map<object, number>();
  return groups.flatMap((group) => {
    const lane = group.lane ?? group;
    const number = numbers.get(lane) ?? numbers.size;
    numbers.set(lane, number);
    return group.requests.map(() => number);
  });
}

/** What became of each request of a call, group by group. */
export function outcomes(groups: readonly PublishGroup[], reply: PublishReply): (readonly PublishOutcome[])[] {
  const { epoch, publishedAt, firstSequences } = reply;
  const all: PublishOutcome[] = [];
  for (const { requests } of groups) {
    for (const { bodies } of requests) {
      const firstSequence = firstSequences[all.length] ?? 0;
      const lastSequence = firstSequence + bodies.length - 1;
      all.push({ epoch, firstSequence, lastSequence, publishedAt, duplicate: false });
    }
  }
  for (const { request, publishedAt: storedAt, count } of reply.duplicates) {
    const firstSequence = firstSequences[request] ?? 0;
    const lastSequence = firstSequence + count - 1;
    all[request] = { epoch, firstSequence, lastSequence, publishedAt: storedAt, duplicate: true };
  }
  for (const { request, ranges } of reply.ranges ?? []) {
    all[request] = { epoch, ...spanOf(ranges), ranges };
  }
  for (const { request, ...refusal } of reply.refusals) {
    all[request] = refusalError(refusal);
  }
  let end = 0;
  return groups.map(({ requests }) => all.slice(end, (end += requests.length)));
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
