import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { FairTurns } from "../../../src/platform/scheduling/fair-turns.ts";

const TURNS = { atOnce: 16, eachMs: 1 };
const PIECES = 40;

// Time would let more begin at once. The turns themselves take it from the runtime.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

/** Takes the turns of so many pieces of an owner; notes the name of those that begin, or that they are not wanted. */
function takeAll(turns: FairTurns<object>, owner: { name: string }, pieces: number, begun: string[]): Promise<unknown> {
  const taken = Array.from({ length: pieces }, async () => {
    const waiting = turns.take(owner);
    const isWanted = waiting === undefined || (await waiting);
    begun.push(isWanted ? owner.name : `not ${owner.name}`);
  });
  return Promise.all(taken);
}

it("begins some work at once, and what is more in turns, a piece of each owner", async () => {
  const turns = new FairTurns<object>(TURNS);
  const begun: string[] = [];

  const all = [takeAll(turns, { name: "a" }, PIECES, begun), takeAll(turns, { name: "b" }, 4, begun)];
  const atOnce = begun.length;
  await Promise.all(all);

  expect(atOnce).toBe(16);
  expect(begun.slice(0, 16)).toEqual(Array(16).fill("a"));
  expect(begun.slice(16, 24)).toEqual(["a", "b", "a", "b", "a", "b", "a", "b"]);
  expect(begun).toHaveLength(PIECES + 4);
});

it("tells an owner that is gone that nothing of it is wanted, and goes on with others", async () => {
  const turns = new FairTurns<object>(TURNS);
  const [gone, other] = [{ name: "gone" }, { name: "other" }];
  const begun: string[] = [];

  const all = [takeAll(turns, gone, PIECES, begun), takeAll(turns, other, 1, begun)];
  turns.forget(gone);
  turns.forget(gone);
  await Promise.all(all);
  await takeAll(turns, other, 1, begun);

  expect(begun.filter((name) => name === "not gone")).toHaveLength(PIECES - 16);
  expect(begun.filter((name) => name === "other")).toHaveLength(2);
});
