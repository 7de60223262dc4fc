import { describe, expect, it } from "vitest";

import { Gathering } from "../../../src/platform/scheduling/gathering.ts";
import type { Arrived } from "../../../src/platform/scheduling/gathering.ts";
import { microtasks } from "../../harness/waits.ts";

/** Calls that end a wait. */
const MOST = 16;

/** A wait, and whether it is over before any timer can fire. */
function waitOf(gathering: Gathering) {
  let isOver = false;
  const waiting = (async () => {
    await gathering.whenGathered();
    isOver = true;
  })();
  const isOverSoon = async () => {
    await microtasks();
    return isOver;
  };
  return { waiting, isOverSoon };
}

/** So many calls that neither publish nor ack. */
function calls(others: number): Arrived {
  return { gathered: 0, others, bytes: 0 };
}

describe("Gathering", () => {
  it("waits for a timer, which fires when what is on its way has come", async () => {
    const gathering = new Gathering();
    const { waiting, isOverSoon } = waitOf(gathering);

    gathering.look();
    expect(await isOverSoon()).toBe(false);

    await waiting;
  });

  it("waits no longer than for so many calls that bring nothing to gather", async () => {
    const gathering = new Gathering();
    const { waiting, isOverSoon } = waitOf(gathering);

    gathering.note(calls(MOST - 1));
    expect(await isOverSoon()).toBe(false);
    gathering.note(calls(1));
    expect(await isOverSoon()).toBe(true);

    await waiting;
  });

  it("counts those of other objects, and looks when something comes for its own", async () => {
    const [own, other] = [new Gathering(), new Gathering()];
    const { waiting, isOverSoon } = waitOf(own);

    other.note(calls(MOST));
    expect(await isOverSoon()).toBe(false);
    own.look();
    expect(await isOverSoon()).toBe(true);

    await waiting;
  });

  it("has one timer for all that wait, of which an object may have 10,000", async () => {
    const gathering = new Gathering();

    for (let wait = 0; wait < 10_001; wait += 1) {
      const { waiting } = waitOf(gathering);
      gathering.note(calls(MOST));
      await waiting;
    }

    await Promise.all(Array.from({ length: 10_001 }, () => gathering.whenRead()));
    await scheduler.wait(0);
  });

  it("tells who asks whether all is read by a timer that begins later", async () => {
    const gathering = new Gathering();
    const order: string[] = [];
    const note = async (name: string, when: Promise<void>) => {
      await when;
      order.push(name);
    };

    await Promise.all([
      note("first", gathering.whenRead()),
      note("second", gathering.whenRead()),
      note("a timer between", scheduler.wait(0)),
      note("third", gathering.whenRead()),
    ]);

    expect(order).toEqual(["first", "a timer between", "second", "third"]);
  });

  it("waits for nothing where an object may have no more timers", async () => {
    const timers: number[] = [];
    try {
      for (;;) {
        timers.push(setTimeout(() => undefined, 600_000));
      }
    } catch {
      await new Gathering().whenGathered();
    } finally {
      timers.forEach((timer) => clearTimeout(timer));
    }
  });

  it("holds back what comes after many calls, or much text, until a timer has fired", async () => {
    const held: (() => Promise<void>)[] = [];
    const gathering = new Gathering((until) => held.push(until));

    gathering.note(calls(63));
    expect(held).toHaveLength(0);
    gathering.note(calls(1));
    expect(held).toHaveLength(1);
    gathering.note({ gathered: 1_008, others: 0, bytes: 0 });
    expect(held).toHaveLength(1);
    gathering.note({ gathered: 16, others: 0, bytes: 0 });
    expect(held).toHaveLength(2);
    gathering.note({ gathered: 1, others: 0, bytes: 1_000_000 });
    expect(held).toHaveLength(2);
    gathering.note({ gathered: 1, others: 0, bytes: 48_576 });
    expect(held).toHaveLength(3);

    await Promise.all(held.map((until) => until()));
  });

  it("counts anew what comes to be held back when every socket has been read", async () => {
    const held: (() => Promise<void>)[] = [];
    const gathering = new Gathering((until) => held.push(until));

    gathering.note(calls(63));
    await gathering.whenRead();
    gathering.note(calls(63));

    expect(held).toHaveLength(0);
  });

  it("counts from when each wait began", async () => {
    const gathering = new Gathering();
    gathering.note(calls(MOST));
    const { waiting, isOverSoon } = waitOf(gathering);

    gathering.note(calls(MOST - 1));
    expect(await isOverSoon()).toBe(false);

    await waiting;
  });
});
