import type { Message } from "../../rpc/index.ts";

import { formatCount, table } from "./display.ts";

/** What one follower should have got and what it got. */
export type FollowerReport = {
  name: string;
  begins: number;
  received: number;
  expected: number;
  isInOrder: boolean;
  missing: number;
  repeated: number;
  /** Messages whose data is not what was published at their sequence. */
  altered: number;
};

/**
 * Compares what a follower got, over all its sockets, with what was published.
 *
 * @param published The data of each message; the first has sequence 1.
 * @param begins The first sequence the follower could get.
 */
export function examine(
  name: string,
  begins: number,
  received: readonly Message[],
  published: readonly unknown[],
): FollowerReport {
  const seen = new Set(received.map((message) => message.sequence));
  const wanted = Array.from({ length: published.length - begins + 1 }, (_, index) => begins + index);
  return {
    name,
    begins,
    received: received.length,
    expected: wanted.length,
    isInOrder: received.every((message, index) => message.sequence > (received[index - 1]?.sequence ?? 0)),
    missing: wanted.filter((sequence) => !seen.has(sequence)).length,
    repeated: received.length - seen.size,
    altered: received.filter(({ sequence, data }) => JSON.stringify(data) !== JSON.stringify(published[sequence - 1]))
      .length,
  };
}

export function isFaultless({ received, expected, isInOrder, missing, repeated, altered }: FollowerReport): boolean {
  return received === expected && isInOrder && missing + repeated + altered === 0;
}

export function reportTable(published: number, followers: readonly FollowerReport[]): string {
  const head = ["", "from", "messages", "expected", "in order", "missing", "repeated", "altered"];
  const rows = followers.map((follower) => [
    follower.name,
    ...[follower.begins, follower.received, follower.expected].map(formatCount),
    follower.isInOrder ? "yes" : "NO",
    ...[follower.missing, follower.repeated, follower.altered].map(formatCount),
  ]);
  return table([head, ["published", "1", formatCount(published), "", "", "", "", ""], ...rows]);
}
