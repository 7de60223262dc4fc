import { expect, it, onTestFinished, vi } from "vitest";

import { CallTurns } from "../../../src/stream/scheduling/call-turns.ts";
import { range } from "../../harness/objects.ts";
import { countPauses } from "../../harness/waits.ts";

const CALLS = 30;
/** Shorter than a pause. */
const late = { afterMs: 1, reply: () => "late" };

/** Calls that take so many turns each; `taken` has whose each turn was. */
function callsOf(turns: CallTurns, turnsEach: number) {
  const taken: number[] = [];
  const call = (which: number) =>
    turns.run(() => {
      taken.push(which);
      return taken.filter((one) => one === which).length < turnsEach ? undefined : { reply: which };
    });
  return { taken, done: Promise.all(range(1, CALLS).map(call)) };
}

it("begins each call at once, and goes on with one turn of each, with one timer for all", async () => {
  const pauses = countPauses();

  const { taken, done } = callsOf(new CallTurns(), 3);
  const begun = [...taken];
  const replies = await done;

  expect(begun).toEqual(range(1, CALLS));
  expect(taken).toEqual([...range(1, CALLS), ...range(1, CALLS), ...range(1, CALLS)]);
  expect(replies).toEqual(range(1, CALLS));
  expect(pauses()).toBe(1);
});

it("takes no further turn for a caller that waits no longer, and has no pause for it", async () => {
  const turns = new CallTurns();
  const wait = vi.spyOn(scheduler, "wait");
  onTestFinished(() => wait.mockRestore());
  let [left, taken] = [3, 0];
  const first = turns.run(() => {
    left -= 1;
    return left < 0 ? { reply: "done" } : undefined;
  });

  const turn = () => {
    taken += 1;
    return undefined;
  };
  const ended = await Promise.all(range(1, CALLS).map(() => turns.run(turn, { late })));

  expect(ended).toEqual(range(1, CALLS).map(() => "late"));
  expect(taken).toBe(CALLS);
  expect(await first).toBe("done");
  expect(wait).toHaveBeenCalledTimes(3);
});

it("goes on with the others when a turn fails", async () => {
  const turns = new CallTurns();
  let taken = 0;
  const failing = turns.run(() => {
    taken += 1;
    if (taken > 1) {
      throw new Error("injected by a test");
    }
    return undefined;
  });

  const { done } = callsOf(turns, 2);

  await expect(failing).rejects.toThrow("injected by a test");
  expect(await done).toHaveLength(CALLS);
});
