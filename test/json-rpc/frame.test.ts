import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { isCall, readFrame } from "../../src/json-rpc/frame.ts";

const call = fc.record(
  {
    jsonrpc: fc.constant("2.0" as const),
    method: fc.string(),
    params: fc.oneof(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
      fc.array(fc.jsonValue({ maxDepth: 3 })),
    ),
    id: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.string({ unit: "binary" }), fc.constant(null), fc.constant(1.5)),
  },
  { requiredKeys: ["jsonrpc", "method"] },
);

/** What a frame becomes as JSON: -0 is 0, and an object from a dictionary has a prototype. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** What a hundred objects with these keys count. */
function valueBytesOf(keysOf: (index: number) => string[]): number {
  const params = Array.from({ length: 100 }, (_, index) => Object.fromEntries(keysOf(index).map((key) => [key, 1])));
  return readFrame(JSON.stringify({ jsonrpc: "2.0", method: "a", params })).valueBytes - 32;
}

describe("readFrame", () => {
  it("gives every request as it is, one or a batch, whatever else its object holds", () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 50 }), (calls) => {
        const single = readFrame(JSON.stringify({ ...calls[0], extra: [1] }));
        const batch = readFrame(JSON.stringify(calls));

        expect([single.isBatch, single.elements]).toEqual([false, [plain(calls[0])]]);
        expect([batch.isBatch, batch.elements]).toEqual([true, plain(calls)]);
      }),
    );
  });

  it("makes a frame of any text, and says of what is no request what to answer", () => {
    const anyText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc.array(fc.oneof(call, fc.jsonValue())).map((value) => JSON.stringify(value)),
    );

    fc.assert(
      fc.property(anyText, (text) => {
        const { isBatch, elements } = readFrame(text);
        expect(elements.length).toBeGreaterThan(0);
        expect(isBatch || elements.length === 1).toBe(true);
        for (const element of elements) {
          if (!isCall(element)) {
            expect([ErrorCode.ParseError, ErrorCode.InvalidRequest, ErrorCode.TooLarge]).toContain(element.code);
            expect(JSON.stringify(element.id)).toBeDefined();
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("tells a notification, which has no id, from a request whose id is null", () => {
    const { elements } = readFrame('[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"a","id":null}]');

    expect(elements.map((element) => "id" in element)).toEqual([false, true]);
  });

  it("takes only members of the request's own", () => {
    const { elements } = readFrame('{"__proto__":{"jsonrpc":"2.0","method":"a"},"id":1}');

    expect(elements).toMatchObject([{ id: 1, code: ErrorCode.InvalidRequest }]);
  });

  it("keeps the id of an element that nests too deep, and its neighbours", () => {
    const deep = `${"[".repeat(40)}${"]".repeat(40)}`;
    const good = '{"jsonrpc":"2.0","method":"a","id":2}';

    const { elements } = readFrame(`[{"jsonrpc":"2.0","method":"a","params":${deep},"id":1},${good}]`);

    expect(elements).toMatchObject([
      { id: 1, code: ErrorCode.TooLarge },
      { id: 2, method: "a" },
    ]);
  });

  it("counts what the params of all calls take beside their text, and not what else is there", () => {
    const calls = [{ a: [{}, [], 1], b: { c: "d" } }, { e: [[]] }, {}].map((params, id) => ({
      jsonrpc: "2.0",
      method: "a",
      params,
      id,
      extra: [{}],
    }));

    const batch = readFrame(JSON.stringify([...calls, { jsonrpc: "2.0", method: "a" }, [{}]]));

    // Nine arrays and objects, and two other values.
    expect(batch.valueBytes).toBe(9 * 32 + 2 * 12);
    expect(readFrame(JSON.stringify(calls[0])).valueBytes).toBe(5 * 32 + 2 * 12);
  });

  it("counts keys that no object before has, beyond those of an ordinary message", () => {
    const same = valueBytesOf(() => ["a", "b"]);
    const nested = valueBytesOf((index) => (index % 2 === 0 ? ["a", "b"] : ["id", "a"]));
    const distinct = valueBytesOf((index) => [`a${index}`, "b"]);
    const ending = valueBytesOf((index) => ["b", `a${index}`]);
    const numbers = valueBytesOf(() => ["1000", "b"]);

    const plainly = 100 * (32 + 2 * 12);
    expect([same, nested]).toEqual([plainly, plainly]);
    expect([distinct, numbers]).toEqual(Array(2).fill(plainly + (200 - 16) * 64));
    expect(ending).toBe(plainly + (101 - 16) * 64);
  });

  it("takes a deep object as it takes a deep array", () => {
    const deep = `${'{"a":'.repeat(40)}1${"}".repeat(40)}`;

    const { elements } = readFrame(`{"jsonrpc":"2.0","method":"a","id":1,"params":${deep}}`);

    expect(elements).toMatchObject([{ id: 1, code: ErrorCode.TooLarge }]);
  });
});
