import fc from "fast-check";
import { expect, test } from "vitest";

import { SequenceQueue } from "../../../src/stream/consumers/cursor/sequence-queue.ts";

const anyChange = fc.record({
  sequence: fc.integer({ min: 1, max: 300 }),
  rank: fc.option(fc.nat(50), { nil: undefined }),
});

test("keeps its order through any additions, moves and removals", () => {
  const everyChange = fc.property(fc.array(anyChange, { maxLength: 1_000, size: "max" }), (changes) => {
    const queue = new SequenceQueue();
    const ranks = new Map<number, number>();
    for (const { sequence, rank } of changes) {
      if (rank === undefined) {
        queue.delete(sequence);
        ranks.delete(sequence);
      } else {
        queue.set(sequence, rank);
        ranks.set(sequence, rank);
      }
    }

    const sorted = [...ranks].toSorted(([a, rankOfA], [b, rankOfB]) => rankOfA - rankOfB || a - b);
    const expected = sorted.filter(([, rank]) => rank <= 25).map(([sequence]) => sequence);

    expect(queue.size).toBe(ranks.size);
    expect(queue.first).toBe(sorted[0]?.[0]);
    expect(queue.firstUpTo(25, Infinity)).toEqual(expected);
    expect(queue.firstUpTo(25, 10)).toEqual(expected.slice(0, 10));
  });

  fc.assert(everyChange, { numRuns: 200 });
});
