import { describe, expect, test } from "vitest";

import { examine, isFaultless } from "../../../scripts/demo/report.ts";

type Received = Parameters<typeof examine>[2][number];

describe("the report of the demo", () => {
  const published = ["a", "b", "c", "d"];
  const all = published.map((data, index) => ({ sequence: index + 1, publishedAt: 1, data }));
  const [first, second, third, fourth] = all as [Received, Received, Received, Received];

  const faults: [what: string, begins: number, received: Received[], found: Partial<ReturnType<typeof examine>>][] = [
    ["one that is missing", 1, [first, second, fourth], { missing: 1, received: 3, expected: 4 }],
    ["one that comes twice", 2, [second, third, third, fourth], { repeated: 1, isInOrder: false }],
    ["two that are swapped", 1, [first, third, second, fourth], { isInOrder: false, missing: 0, repeated: 0 }],
    ["one that is not what was published", 4, [{ ...fourth, data: "x" }], { altered: 1 }],
    ["one from before its beginning", 2, all, { received: 4, expected: 3 }],
  ];

  test.for(faults)("finds %s", ([, begins, received, found]) => {
    const report = examine("follower", begins, received, published);

    expect(report).toMatchObject(found);
    expect(isFaultless(report)).toBe(false);
  });

  test("finds nothing where there is nothing", () => {
    expect(isFaultless(examine("follower", 2, all.slice(1), published))).toBe(true);
  });
});
