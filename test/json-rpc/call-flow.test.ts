import { describe, expect, it } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { CallFlow } from "../../src/json-rpc/call-flow.ts";

describe("CallFlow", () => {
  it("counts calls up to the limit, and makes room by each that is answered", () => {
    const flow = new CallFlow();

    const entered = Array.from({ length: LIMITS.requestsInFlight }, () => flow.enter());
    const refused = flow.enter();
    flow.leave();

    expect(entered.every(Boolean)).toBe(true);
    expect([refused, flow.enter(), flow.enter()]).toEqual([false, true, false]);
  });

  it("lets a frame that publishes at once go by without waiting", () => {
    const flow = new CallFlow();

    const first = flow.turnFor(1);
    first?.begun();
    const second = flow.turnFor(2);

    expect([first?.before, second?.before]).toEqual([undefined, undefined]);
  });

  it("needs no turn for a frame that publishes nothing", () => {
    const flow = new CallFlow();
    flow.turnFor(1);

    expect(flow.turnFor(0)).toBeUndefined();
  });

  it("has later frames wait until every publish of the one before has begun", async () => {
    const flow = new CallFlow();
    const order: string[] = [];
    const first = flow.turnFor(2);
    const second = flow.turnFor(1);
    const third = flow.turnFor(1);
    const waitAndBegin = async (turn: typeof first, name: string) => {
      await turn?.before;
      order.push(name);
      turn?.begun();
    };
    const waiting = [waitAndBegin(second, "second"), waitAndBegin(third, "third")];

    first?.begun();
    await Promise.resolve();
    order.push("first");
    first?.begun();
    await Promise.all(waiting);

    expect(order).toEqual(["first", "second", "third"]);
    expect(flow.turnFor(1)?.before).toBeUndefined();
  });
});
