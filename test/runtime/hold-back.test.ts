/** A gateway holds back what comes to it until a timer has fired: that must not wait for what is held back. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { monotonicMs } from "../../src/platform/clock.ts";

it("fires a timer of blockConcurrencyWhile before those that began outside and are overdue", async () => {
  const order: string[] = [];
  const note = async (name: string, ms: number) => {
    await scheduler.wait(ms);
    order.push(name);
  };

  await runInDurableObject(env.STREAM.getByName("hold-back"), async (_stream, ctx) => {
    const outside = [note("outside", 0), note("outside, later", 1)];
    const untilMs = monotonicMs() + 20;
    while (monotonicMs() < untilMs) {
      // They are due meanwhile.
    }
    await ctx.blockConcurrencyWhile(() => note("inside", 0));
    await Promise.all(outside);
  });

  expect(order).toEqual(["inside", "outside", "outside, later"]);
});
