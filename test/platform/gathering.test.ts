import { describe, expect, it } from "vitest";

import { Gathering } from "../../src/platform/gathering.ts";

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
    for (let turn = 0; turn < 10; turn += 1) {
      await Promise.resolve();
    }
    return isOver;
  };
  return { waiting, isOverSoon };
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

    gathering.noteOthers(MOST - 1);
    expect(await isOverSoon()).toBe(false);
    gathering.noteOthers(1);
    expect(await isOverSoon()).toBe(true);

    await waiting;
  });

  it("counts those of other objects, and looks when something comes for its own", async () => {
    const [own, other] = [new Gathering(), new Gathering()];
    const { waiting, isOverSoon } = waitOf(own);

    other.noteOthers(MOST);
    expect(await isOverSoon()).toBe(false);
    own.look();
    expect(await isOverSoon()).toBe(true);

    await waiting;
  });

  it("leaves no timer behind, of which an object may have 10,000", async () => {
    const gathering = new Gathering();

    for (let wait = 0; wait < 10_001; wait += 1) {
      const { waiting } = waitOf(gathering);
      gathering.noteOthers(MOST);
      await waiting;
    }

    const { waiting } = waitOf(gathering);
    await waiting;
  });

  it("counts from when each wait began", async () => {
    const gathering = new Gathering();
    gathering.noteOthers(MOST);
    const { waiting, isOverSoon } = waitOf(gathering);

    gathering.noteOthers(MOST - 1);
    expect(await isOverSoon()).toBe(false);

    await waiting;
  });
});
