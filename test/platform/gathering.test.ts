import { describe, expect, it } from "vitest";

import { Gathering } from "../../src/platform/gathering.ts";

/** Frames of others that end a wait. */
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

function pass(gathering: Gathering, frames: number): void {
  for (let frame = 0; frame < frames; frame += 1) {
    gathering.passed();
  }
}

describe("Gathering", () => {
  it("waits for a timer, which fires when what is on its way has come", async () => {
    const gathering = new Gathering();
    const { waiting, isOverSoon } = waitOf(gathering);

    gathering.look();
    expect(await isOverSoon()).toBe(false);

    await waiting;
  });

  it("waits no longer than for so many frames that bring nothing to gather", async () => {
    const gathering = new Gathering();
    const { waiting, isOverSoon } = waitOf(gathering);

    pass(gathering, MOST - 1);
    expect(await isOverSoon()).toBe(false);
    pass(gathering, 1);
    expect(await isOverSoon()).toBe(true);

    await waiting;
  });

  it("counts those of other objects, and looks when something comes for its own", async () => {
    const [own, other] = [new Gathering(), new Gathering()];
    const { waiting, isOverSoon } = waitOf(own);

    pass(other, MOST);
    expect(await isOverSoon()).toBe(false);
    own.look();
    expect(await isOverSoon()).toBe(true);

    await waiting;
  });

  it("counts from when each wait began", async () => {
    const gathering = new Gathering();
    pass(gathering, MOST);
    const { waiting, isOverSoon } = waitOf(gathering);

    pass(gathering, MOST - 1);
    expect(await isOverSoon()).toBe(false);

    await waiting;
  });
});
