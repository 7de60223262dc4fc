import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { isMethodName, METHOD_RIGHTS, METHOD_TRAITS } from "../../rpc/index.ts";
import type { MethodName, MethodTraits, Right } from "../../rpc/index.ts";
import { containsRight } from "../../src/access/contains.ts";
import type { DecidedParams } from "../../src/access/decide.ts";

import { modelAllows } from "./model.ts";

const RUNS = 3_000;
const METHODS = Object.keys(METHOD_TRAITS).filter(isMethodName);

/** Few tokens, so that much is within much. */
const TOKENS = ["a", "b", "ab"];
/** Every name of up to four of them, in which prefixes of the test and what follows them are too. */
const NAMES = namesOf(["a", "b", "ab", "aa"], 4);
const KEYS = ["a", "a/b", "a/b/c", "b", "ab", "a.a/b", "a.b"];
const PREFIXES = ["", "a.", "a.b."];

const pattern = fc
  .tuple(fc.array(fc.constantFrom(...TOKENS, "*", "*"), { maxLength: 2 }), fc.constantFrom(...TOKENS, "*", ">", ">"))
  .map(([tokens, last]) => [...tokens, last].join("."));

/** A right over the methods of a few groups. */
const right: fc.Arbitrary<Right> = fc.record(
  {
    streams: fc.array(pattern, { maxLength: 2 }),
    objects: fc.array(fc.constantFrom("", "a", "a/", "a/b", "b"), { maxLength: 2 }),
    actions: fc.uniqueArray(
      fc.oneof(
        fc.constantFrom(...METHOD_RIGHTS),
        fc.constantFrom<MethodName>("subscribe", "putState", "checkpoint", "getObject", "issueToken", "publishBatch"),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    subjects: fc.array(pattern, { maxLength: 2 }),
  },
  { requiredKeys: ["actions"] },
);

/** What a right that was asked for may do beyond those that it was asked of; undefined when there is nothing. */
function beyond(rights: readonly Right[], asked: Right, prefix: string): unknown {
  for (const method of METHODS) {
    for (const params of callsOf(method, asked)) {
      if (modelAllows([asked], method, params) && !modelAllows(rights, method, withPrefix(prefix, params))) {
        return { method, params };
      }
    }
  }
  return undefined;
}

/** Every call of a method that a right could tell from another. */
function callsOf(method: MethodName, { subjects }: Right): DecidedParams[] {
  const { on, bySubject }: MethodTraits = METHOD_TRAITS[method];
  if (on === "object") {
    return KEYS.map((key) => ({ key }));
  }
  if (on !== "stream") {
    return [{}];
  }
  const streams = NAMES.map((stream) => ({ stream }));
  const shares = method === "subscribe" ? streams.map((each) => ({ ...each, consumer: "c" })) : [];
  const said = streams.flatMap((each): DecidedParams[] => {
    if (bySubject === "published") {
      return NAMES.slice(0, 30).map((subject) => ({ ...each, subject, messages: [{ subject }] }));
    }
    return bySubject === "followed" ? (subjects ?? []).map((filter) => ({ ...each, filter })) : [];
  });
  return [...streams, ...shares, ...said];
}

function withPrefix(prefix: string, { stream, key, ...params }: DecidedParams): DecidedParams {
  return {
    ...params,
    ...(stream === undefined ? {} : { stream: prefix + stream }),
    ...(key === undefined ? {} : { key: prefix + key }),
  };
}

function namesOf(tokens: readonly string[], most: number): string[] {
  const longer =
    most === 1 ? [] : namesOf(tokens, most - 1).flatMap((name) => tokens.map((token) => `${name}.${token}`));
  return [...new Set([...tokens, ...longer])];
}

describe("a right that is within another", () => {
  it("allows nothing that the other does not, whatever both say", () => {
    let within = 0;
    fc.assert(
      fc.property(fc.array(right, { maxLength: 3 }), right, fc.constantFrom(...PREFIXES), (rights, asked, prefix) => {
        if (rights.some((each) => containsRight(each, asked, prefix))) {
          within += 1;
          expect(beyond(rights, asked, prefix)).toBeUndefined();
        }
      }),
      { numRuns: RUNS },
    );
    expect(within).toBeGreaterThan(RUNS / 100);
  });

  it("is itself, and a part of itself", () => {
    fc.assert(
      fc.property(right, fc.nat(), (whole, at) => {
        const { streams = [], actions } = whole;
        const part = { ...whole, streams: streams.slice(0, at), actions: actions.slice(0, 1) };

        expect(containsRight(whole, whole)).toBe(true);
        expect(containsRight(whole, part)).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  it.each<[what: string, outer: Right, inner: Right, prefix?: string]>([
    ["a name of a pattern", { streams: ["room.*"], actions: ["read"] }, { streams: ["room.1"], actions: ["read"] }],
    ["a pattern of a wider one", { streams: [">"], actions: ["read"] }, { streams: ["*.a"], actions: ["read"] }],
    ["a method of its group", { actions: ["state"] }, { actions: ["putState"] }],
    ["a group of all its methods", { actions: ["putState", "checkpoint"] }, { actions: ["state"] }],
    ["what each may do", { actions: ["state"] }, { actions: ["getServerInfo"] }],
    [
      "a folder in one",
      { objects: ["a/"], actions: ["objects.read"] },
      { objects: ["a/b/"], actions: ["objects.read"] },
    ],
    ["subjects where there were none", { actions: ["read"] }, { actions: ["read"], subjects: ["a"] }],
    ["all behind a prefix", { streams: ["t.>"], actions: ["read"] }, { streams: [">"], actions: ["read"] }, "t."],
    ["objects behind a prefix", { objects: ["t.a"], actions: ["read"] }, { objects: ["a"], actions: ["read"] }, "t."],
  ])("is %s", (_what, outer, inner, prefix) => {
    expect(containsRight(outer, inner, prefix)).toBe(true);
  });

  it.each<[what: string, outer: Right, inner: Right, prefix?: string]>([
    ["a wider pattern", { streams: ["a.*"], actions: ["read"] }, { streams: ["a.>"], actions: ["read"] }],
    ["a group by one of its methods", { actions: ["putState"] }, { actions: ["state"] }],
    ["a share of a consumer by reading", { actions: ["read"] }, { actions: ["subscribe"] }],
    ["to issue tokens by any group", { actions: [...METHOD_RIGHTS] }, { actions: ["issueToken"] }],
    ["any subject by some", { actions: ["read"], subjects: [">"] }, { actions: ["read"] }],
    ["a folder that begins alike", { objects: ["a/"], actions: ["read"] }, { objects: ["a"], actions: ["read"] }],
    ["streams where there were none", { actions: ["read"] }, { streams: ["a"], actions: ["read"] }],
    ["one token by what goes on", { streams: ["t.*"], actions: ["read"] }, { streams: [">"], actions: ["read"] }, "t."],
    ["another's by a prefix", { streams: ["t.a"], actions: ["read"] }, { streams: ["a"], actions: ["read"] }, "u."],
  ])("is not %s", (_what, outer, inner, prefix) => {
    expect(containsRight(outer, inner, prefix)).toBe(false);
  });
});
