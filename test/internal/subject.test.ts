import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";

import { Subject, SubjectFilter } from "../../rpc/index.ts";
import { subjectMatcher } from "../../src/internal/subject.ts";

// Few names, so that many filters match.
const token = fc.constantFrom("a", "b", "c-1_Z");
const subject = fc.array(token, { minLength: 1, maxLength: 6 }).map((tokens) => tokens.join("."));
const filter = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 6 }), fc.boolean())
  .map(([tokens, rest]) => (rest || tokens.length === 0 ? [...tokens, ">"] : tokens).join("."));

/** Anything made of what filters are made of. */
const nearFilter = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom("a", "B9", "*", ">", "_-") },
      fc.constantFrom("", "a b", "é", "**", "a*"),
    ),
    {
      maxLength: 18,
    },
  )
  .map((tokens) => tokens.join("."));

/** The definition, word by word: `*` is one token, a last `>` one or more. */
function naivelyMatches(wanted: string[], tokens: string[]): boolean {
  const [first, ...others] = wanted;
  const [token_, ...rest] = tokens;
  if (first === undefined || token_ === undefined) {
    return first === undefined && token_ === undefined;
  }
  if (first === ">" && others.length === 0) {
    return true;
  }
  return (first === "*" || first === token_) && naivelyMatches(others, rest);
}

describe("subjectMatcher", () => {
  it("matches as the definition does", () => {
    fc.assert(
      fc.property(filter, subject, (wanted, published) => {
        expect(subjectMatcher(wanted)(published)).toBe(naivelyMatches(wanted.split("."), published.split(".")));
      }),
      { numRuns: 2_000 },
    );
  });

  it("matches every subject with itself and with >, and no message without one", () => {
    fc.assert(
      fc.property(filter, subject, (wanted, published) => {
        expect(subjectMatcher(published)(published)).toBe(true);
        expect(subjectMatcher(">")(published)).toBe(true);
        expect(subjectMatcher(wanted)(undefined)).toBe(false);
      }),
    );
  });

  it.each([
    ["orders.*", "orders.eu", true],
    ["orders.*", "orders", false],
    ["orders.*", "orders.eu.created", false],
    ["orders.>", "orders.eu.created", true],
    ["orders.>", "orders", false],
    ["*.eu.>", "orders.eu.created", true],
    ["orders", "orderss", false],
  ])("%s against %s is %s", (wanted, published, matches) => {
    expect(subjectMatcher(wanted)(published)).toBe(matches);
  });
});

describe("the schemas", () => {
  const NAME = /^[A-Za-z0-9_-]+$/;

  it("take a filter of 1 to 16 tokens, * for any and > for the last", () => {
    fc.assert(
      fc.property(nearFilter, (text) => {
        const tokens = text.split(".");
        const isFilter =
          tokens.length <= 16 &&
          text.length <= 256 &&
          tokens.every((each, at) => NAME.test(each) || each === "*" || (each === ">" && at === tokens.length - 1));
        expect(v.is(SubjectFilter, text)).toBe(isFilter);
      }),
      { numRuns: 2_000 },
    );
  });

  it("take a subject of 1 to 16 names", () => {
    fc.assert(
      fc.property(nearFilter, (text) => {
        const tokens = text.split(".");
        expect(v.is(Subject, text)).toBe(tokens.length <= 16 && tokens.every((each) => NAME.test(each)));
      }),
      { numRuns: 2_000 },
    );
  });

  it("take every subject as a filter", () => {
    fc.assert(fc.property(subject, (text) => v.is(Subject, text) && v.is(SubjectFilter, text)));
  });

  it.each(["a\n", "\na", "a.b\n", ">\n"])("take no line break: %j", (text) => {
    expect([v.is(Subject, text), v.is(SubjectFilter, text)]).toEqual([false, false]);
  });

  it("take the longest of each in no time", () => {
    const text = `${"a".repeat(255)}!`;

    expect([v.is(Subject, text), v.is(SubjectFilter, text)]).toEqual([false, false]);
  });
});
