import { describe, expect, it } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { CallFlow } from "../../src/json-rpc/call-flow.ts";
import type { Turn } from "../../src/json-rpc/call-flow.ts";
import { PublishBudget } from "../../src/publishing/publish-budget.ts";

const FRAME = "x".repeat(1_000_000);

/** The turn of a frame for which there is room. */
function turnFor(flow: CallFlow, publishes: number): Turn {
  const turn = flow.turnFor(publishes, FRAME);
  if (turn === undefined || turn === "full") {
    throw new Error(`no turn: ${turn}`);
  }
  return turn;
}

describe("CallFlow", () => {
  it("counts calls up to the limit, and makes room by each that is answered", () => {
    const flow = new CallFlow(new PublishBudget());

    const entered = Array.from({ length: LIMITS.requestsInFlight }, () => flow.enter());
    const refused = flow.enter();
    flow.leave();

    expect(entered.every(Boolean)).toBe(true);
    expect([refused, flow.enter(), flow.enter()]).toEqual([false, true, false]);
  });

  it("lets a frame that publishes at once go by without waiting", () => {
    const flow = new CallFlow(new PublishBudget());

    const first = turnFor(flow, 1);
    first.begun();
    const second = turnFor(flow, 2);

    expect([first.before, second.before]).toEqual([undefined, undefined]);
  });

  it("needs no turn for a frame that publishes nothing", () => {
    const flow = new CallFlow(new PublishBudget());
    turnFor(flow, 1);

    expect(flow.turnFor(0, FRAME)).toBeUndefined();
  });

  it("has later frames wait until every publish of the one before has begun", async () => {
    const flow = new CallFlow(new PublishBudget());
    const order: string[] = [];
    const first = turnFor(flow, 2);
    const second = turnFor(flow, 1);
    const third = turnFor(flow, 1);
    const waitAndBegin = async (turn: Turn, name: string) => {
      await turn.before;
      order.push(name);
      turn.begun();
    };
    const waiting = [waitAndBegin(second, "second"), waitAndBegin(third, "third")];

    first.begun();
    await Promise.resolve();
    order.push("first");
    first.begun();
    await Promise.all(waiting);

    expect(order).toEqual(["first", "second", "third"]);
    expect(turnFor(flow, 1).before).toBeUndefined();
  });

  it("has 16 MiB of frames wait, of all sockets of a gateway, and has room again when the turn of one has come", async () => {
    const budget = new PublishBudget();
    const [flow, other] = [new CallFlow(budget), new CallFlow(budget)];
    const first = turnFor(flow, 1);
    turnFor(other, 1);

    const waiting = Array.from({ length: 16 }, (_, index) => turnFor(index % 2 === 0 ? flow : other, 1));
    const full = [flow.turnFor(1, FRAME), other.turnFor(1, FRAME)];
    const small = flow.turnFor(1, "x");
    const without = flow.turnFor(0, FRAME);
    first.begun();
    await waiting[0]?.before;

    expect([...full, without]).toEqual(["full", "full", undefined]);
    expect(small).not.toBe("full");
    expect(turnFor(flow, 1).before).toBeInstanceOf(Promise);
  });
});
