import { expect, it, onTestFinished, vi } from "vitest";

import { CallTurns } from "../../../src/stream/scheduling/call-turns.ts";
import { range } from "../../harness/objects.ts";
import { countPauses } from "../../harness/waits.ts";

const CALLS = 30;
const FOR_MS = 10_000;

/** Calls that take so many turns each; `taken` has whose each turn was. */
function callsOf(turns: CallTurns, turnsEach: number) {
  const taken: number[] = [];
  const call = (which: number) =>
    turns.run(
      () => {
        taken.push(which);
        return taken.filter((one) => one === which).length < turnsEach ? undefined : { reply: which };
      },
      { forMs: FOR_MS },
    );
  return { taken, done: Promise.all(range(1, CALLS).map(call)) };
}

it("begins each call at once, and goes on with one turn of each, with one timer for all", async () => {
  const pauses = countPauses();

  const { taken, done } = callsOf(new CallTurns(), 3);
  const begun = [...taken];
  const replies = await done;

  expect(begun).toEqual(range(1, CALLS));
  expect(taken).toEqual([...range(1, CALLS), ...range(1, CALLS), ...range(1, CALLS)]);
  expect(replies).toEqual(range(1, CALLS).map((reply) => ({ reply })));
  expect(pauses()).toBe(1);
});

it("takes no further turn for a caller that waits no longer, and has no pause for it", async () => {
  const turns = new CallTurns();
  const wait = vi.spyOn(scheduler, "wait");
  onTestFinished(() => wait.mockRestore());
  let [left, taken] = [3, 0];
  const first = turns.run(
    () => {
      left -= 1;
      return left < 0 ? { reply: "done" } : undefined;
    },
    { forMs: FOR_MS },
  );

  // Shorter than a pause.
  const turn = () => {
    taken += 1;
    return undefined;
  };
  const late = await Promise.all(range(1, CALLS).map(() => turns.run(turn, { forMs: 1 })));

  expect(late).toEqual(range(1, CALLS).map(() => undefined));
  expect(taken).toBe(CALLS);
  expect(await first).toEqual({ reply: "done" });
  expect(wait).toHaveBeenCalledTimes(3);
});

it("goes on with the others when a turn fails", async () => {
  const turns = new CallTurns();
  let taken = 0;
  const failing = turns.run(
    () => {
      taken += 1;
      if (taken > 1) {
        throw new Error("injected by a test");
      }
      return undefined;
    },
    { forMs: FOR_MS },
  );

  const { done } = callsOf(turns, 2);

  await expect(failing).rejects.toThrow("injected by a test");
  expect(await done).toHaveLength(CALLS);
});
