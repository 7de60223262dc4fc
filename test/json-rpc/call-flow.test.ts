import { describe, expect, it } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { CallFlow } from "../../src/json-rpc/call-flow.ts";
import type { HeldFrame, Turn } from "../../src/json-rpc/call-flow.ts";
import { Share } from "../../src/platform/isolate-budget.ts";
import { FairTurns } from "../../src/platform/scheduling/fair-turns.ts";
import { Gathering } from "../../src/platform/scheduling/gathering.ts";
import { PublishBudget } from "../../src/publishing/publish-budget.ts";

const FRAME = "x".repeat(1_000_000);
const SMALL: HeldFrame = { characters: 5, bytes: 15 };

function newFlow(publishBudget = new PublishBudget(), frames = new Share()): CallFlow {
  const reads = new FairTurns<CallFlow>({ atOnce: 16, eachMs: 1 });
  return new CallFlow({ publishBudget, reads, frames, gathering: new Gathering() });
}

/** The turn of a frame for which there is room; its publishes are behind another call. */
function turnFor(flow: CallFlow, publishes: number): Turn {
  const turn = flow.turnFor({ publishes, isLate: true, text: FRAME });
  if (turn === undefined || turn === "full") {
    throw new Error(`no turn: ${turn}`);
  }
  return turn;
}

describe("CallFlow", () => {
  it("counts calls up to the limit, and makes room by each that is answered", () => {
    const flow = newFlow();

    const entered = Array.from({ length: LIMITS.requestsInFlight }, () => flow.enter("small", SMALL));
    const refused = flow.enter("small", SMALL);
    flow.leave("small");

    expect(entered).toEqual(Array(LIMITS.requestsInFlight).fill(undefined));
    expect(refused?.data).toEqual({ what: "requestsInFlight", limit: LIMITS.requestsInFlight });
    expect([flow.enter("small", SMALL), flow.enter("small", SMALL)?.data]).toEqual([undefined, refused?.data]);
  });

  it("counts calls with large answers apart", () => {
    const flow = newFlow();

    const entered = Array.from({ length: LIMITS.largeAnswersInFlight }, () => flow.enter("large", SMALL));
    const refused = flow.enter("large", SMALL);
    const small = flow.enter("small", SMALL);
    flow.leave("large");

    expect(entered).toEqual(Array(LIMITS.largeAnswersInFlight).fill(undefined));
    expect(refused?.data).toEqual({ what: "largeAnswersInFlight", limit: LIMITS.largeAnswersInFlight });
    expect([small, flow.enter("large", SMALL), flow.enter("large", SMALL)?.data]).toEqual([
      undefined,
      undefined,
      refused?.data,
    ]);
  });

  it("bounds the text of unanswered frames, but takes one of any size", () => {
    const flow = newFlow();
    const [frame, most] = ["x".repeat(LIMITS.requestBytesInFlight + 1), "x".repeat(LIMITS.requestBytesInFlight - 1)];
    const enter = (text: string) => {
      const held = flow.holdFrame(text, 0);
      return { held, refusal: flow.enter("small", held)?.data };
    };

    const { held, refusal: alone } = enter(frame);
    const { refusal: beside } = enter("x");
    flow.releaseFrame(held);
    const { refusal: after } = enter(most);
    const { refusal: beyond } = enter("x");

    const tooMuch = { what: "requestBytesInFlight", limit: LIMITS.requestBytesInFlight };
    expect([alone, beside, after, beyond]).toEqual([undefined, tooMuch, undefined, tooMuch]);
  });

  it("needs no turn for a frame that publishes at once, or nothing", () => {
    const flow = newFlow();

    const atOnce = flow.turnFor({ publishes: 2, isLate: false, text: FRAME });
    const nothing = flow.turnFor({ publishes: 0, isLate: false, text: FRAME });
    turnFor(flow, 1);

    expect([atOnce, nothing]).toEqual([undefined, undefined]);
    expect(flow.turnFor({ publishes: 0, isLate: false, text: FRAME })).toBeUndefined();
    expect(flow.turnFor({ publishes: 1, isLate: false, text: FRAME })).toHaveProperty("before", expect.any(Promise));
  });

  it("has later frames wait until every publish of the one before has begun", async () => {
    const flow = newFlow();
    const order: string[] = [];
    const first = turnFor(flow, 2);
    const second = turnFor(flow, 1);
    const third = turnFor(flow, 1);
    const waitAndBegin = async (turn: Turn, name: string) => {
      await turn.before;
      order.push(name);
      turn.begun(1);
    };
    const waiting = [waitAndBegin(second, "second"), waitAndBegin(third, "third")];

    first.begun(1);
    await Promise.resolve();
    order.push("first");
    first.begun(1);
    await Promise.all(waiting);

    expect(order).toEqual(["first", "second", "third"]);
    expect(turnFor(flow, 1).before).toBeUndefined();
  });

  it("has 16 MiB of frames wait, of all sockets of a gateway, and has room again when the turn of one has come", async () => {
    const budget = new PublishBudget();
    const [flow, other] = [newFlow(budget), newFlow(budget)];
    const first = turnFor(flow, 1);
    turnFor(other, 1);

    const waiting = Array.from({ length: 16 }, (_, index) => turnFor(index % 2 === 0 ? flow : other, 1));
    const full = [flow, other].map((each) => each.turnFor({ publishes: 1, isLate: false, text: FRAME }));
    const small = flow.turnFor({ publishes: 1, isLate: false, text: "x" });
    const without = flow.turnFor({ publishes: 0, isLate: false, text: FRAME });
    first.begun(1);
    await waiting[0]?.before;

    expect([...full, without]).toEqual(["full", "full", undefined]);
    expect(small).not.toBe("full");
    expect(turnFor(flow, 1).before).toBeInstanceOf(Promise);
  });
});
