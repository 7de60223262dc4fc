import fc from "fast-check";
import { expect, it } from "vitest";

import { ErrorCode, isMethodName, METHOD_RIGHTS, METHOD_TRAITS } from "../../rpc/index.ts";
import type { MethodName, MethodTraits, Right } from "../../rpc/index.ts";
import { decide } from "../../src/access/decide.ts";
import type { DecidedParams } from "../../src/access/decide.ts";

import { modelAllows, TOKENS } from "./model.ts";

const METHODS = Object.keys(METHOD_TRAITS).filter(isMethodName);
/** Rights × calls: each set of rights is asked for so many. */
const CALLS = 50;
const RUNS = 2_000;

const name = fc.array(fc.constantFrom(...TOKENS), { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
/** Names of streams may have empty tokens, unlike subjects. */
const stream = fc
  .tuple(fc.constantFrom(...TOKENS), fc.array(fc.constantFrom(...TOKENS, ""), { maxLength: 2 }))
  .map(([first, tokens]) => [first, ...tokens].join("."));
/** A pattern of streams, or a filter: at most three tokens, so that the model's subjects tell all of them apart. */
const filter = fc
  .tuple(fc.array(fc.constantFrom(...TOKENS, "*", "*"), { maxLength: 2 }), fc.constantFrom(...TOKENS, "*", ">", ">"))
  .map(([tokens, last]) => [...tokens, last].join("."));
const key = fc.constantFrom("a", "a/b", "a/b/c", "b/a", "ab");
const prefix = fc.constantFrom("", "a", "a/", "a/b", "b/");

const right: fc.Arbitrary<Right> = fc.record(
  {
    streams: fc.array(fc.oneof(filter, filter, stream), { maxLength: 4 }),
    objects: fc.array(prefix, { maxLength: 2 }),
    actions: fc.array(fc.oneof(fc.constantFrom(...METHOD_RIGHTS), fc.constantFrom(...METHODS)), {
      minLength: 1,
      maxLength: 6,
    }),
    subjects: fc.array(filter, { maxLength: 3 }),
  },
  { requiredKeys: ["actions"] },
);

/** Params of a method, as far as they are decided by. */
function paramsOf(method: MethodName): fc.Arbitrary<DecidedParams> {
  const { on, bySubject }: MethodTraits = METHOD_TRAITS[method];
  if (method === "publishBatch") {
    const messages = fc.array(fc.record({ subject: name }, { requiredKeys: [] }), { minLength: 1, maxLength: 3 });
    return fc.record({ stream, messages });
  }
  if (method === "listObjects") {
    return fc.record({ prefix }, { requiredKeys: [] });
  }
  if (method === "deleteObject") {
    return fc.oneof(fc.record({ key }), fc.record({ keys: fc.array(key, { minLength: 1, maxLength: 3 }) }));
  }
  if (on === "object") {
    return fc.record({ key });
  }
  if (on !== "stream") {
    return fc.constant({});
  }
  const own: fc.Arbitrary<DecidedParams> =
    bySubject === "published"
      ? fc.record({ stream, subject: name }, { requiredKeys: ["stream"] })
      : fc.record({ stream, filter }, { requiredKeys: ["stream"] });
  return method === "subscribe" ? fc.oneof(own, fc.record({ stream, consumer: fc.constant("c") })) : own;
}

const call = fc
  .constantFrom(...METHODS)
  .chain((method) => fc.record({ method: fc.constant(method), params: paramsOf(method) }));

it("decides as the model does", { timeout: 60_000 }, () => {
  const counts = new Map(METHODS.map((method) => [method, { allowed: 0, denied: 0 }]));
  fc.assert(
    fc.property(
      fc.array(right, { maxLength: 4 }),
      fc.array(call, { minLength: CALLS, maxLength: CALLS }),
      (rights, calls) => {
        for (const { method, params } of calls) {
          const isAllowed = decide({ rights }, method, params) === undefined;
          if (isAllowed !== modelAllows(rights, method, params)) {
            throw new Error(`${method} ${JSON.stringify(params)} is ${isAllowed ? "allowed" : "denied"}`);
          }
          const count = counts.get(method);
          if (count !== undefined) {
            count[isAllowed ? "allowed" : "denied"] += 1;
          }
        }
      },
    ),
    { numRuns: RUNS },
  );

  const all = [...counts.values()];
  expect(all.reduce((sum, { allowed, denied }) => sum + allowed + denied, 0)).toBe(RUNS * CALLS);
  expect(all.reduce((sum, { allowed }) => sum + allowed, 0)).toBeGreaterThan(10_000);
  expect(all.reduce((sum, { denied }) => sum + denied, 0)).toBeGreaterThan(10_000);
  for (const [method, { allowed, denied }] of counts) {
    const { on, right: needed }: MethodTraits = METHOD_TRAITS[method];
    expect([method, allowed > 0, denied > 0]).toEqual([method, true, needed !== undefined && on !== "subscription"]);
  }
});

it("allows root everything, and who has no rights what needs none", () => {
  for (const method of METHODS) {
    const { on, right: needed }: MethodTraits = METHOD_TRAITS[method];
    const params = { stream: "a", key: "a" };
    const isFree = needed === undefined || on === "subscription";
    expect([method, decide({ rights: "all" }, method, params)]).toEqual([method, undefined]);
    expect([method, decide({ rights: [] }, method, params)?.code]).toEqual([
      method,
      isFree ? undefined : ErrorCode.Forbidden,
    ]);
  }
});

const READER: Right = { streams: ["room.*"], objects: ["pictures/"], actions: ["read", "objects.read"] };
const FOLLOWER: Right = { streams: ["room.*"], actions: ["read", "publish", "consume"], subjects: ["chat.>"] };

it.each<[what: string, right: Right, method: MethodName, params: DecidedParams, data: object, message: RegExp]>([
  [
    "the action and the stream",
    READER,
    "publish",
    { stream: "room.1" },
    { method: "publish", action: "publish", stream: "room.1" },
    /publish on the stream room\.1/,
  ],
  [
    "a stream beyond the right",
    READER,
    "getMessages",
    { stream: "room.1.2" },
    { method: "getMessages", action: "read", stream: "room.1.2" },
    /room\.1\.2/,
  ],
  [
    "the first object beyond the right",
    { objects: ["a/"], actions: ["objects.write"] },
    "deleteObject",
    { keys: ["a/1", "b/1", "c/1"] },
    { method: "deleteObject", action: "objects.write", key: "b/1" },
    /b\/1/,
  ],
  [
    "that a listing is wider than the right",
    READER,
    "listObjects",
    { prefix: "pic" },
    { method: "listObjects", action: "objects.read", key: "pic" },
    /pic/,
  ],
  [
    "that a filter is needed",
    FOLLOWER,
    "subscribe",
    { stream: "room.1" },
    { method: "subscribe", action: "read", stream: "room.1" },
    /a filter/,
  ],
  [
    "that a subject is needed",
    FOLLOWER,
    "publish",
    { stream: "room.1" },
    { method: "publish", action: "publish", stream: "room.1" },
    /a subject/,
  ],
  [
    "that subjects bound no consumer",
    FOLLOWER,
    "fetchMessages",
    { stream: "room.1", consumer: "c" },
    { method: "fetchMessages", action: "consume", stream: "room.1" },
    /subjects/,
  ],
])("says of what is forbidden %s", (_what, one, method, params, data, message) => {
  const refused = decide({ rights: [one] }, method, params);

  expect(refused).toMatchObject({ code: ErrorCode.Forbidden, data });
  expect(refused?.message).toMatch(message);
  // What a right holds is a claim of a token: it is not told.
  expect(JSON.stringify([refused?.message, refused?.data])).not.toMatch(/chat|room\.\*|pictures/);
});
