import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { FanOut } from "../../src/stream/fan-out.ts";
import { connect } from "../harness/client.ts";

it("goes through pushes that follow each other without a trace of the ones before", async () => {
  const stream = "steady";
  const client = await connect();
  await client.call("subscribe", { stream });

  const depths = await runInDurableObject(env.STREAM.getByName(stream), async (_stream, ctx) => {
    const callers: number[] = [];
    let committed = 0;
    // A gateway that is always a push behind: what is committed while it takes one waits for it.
    const deliver = async () => {
      callers.push(new Error().stack?.match(/#send/g)?.length ?? 0);
      if (committed < 50) {
        committed += 1;
        const range = { first: committed, last: committed, publishedAt: 1, count: 1, bytes: 2, text: "{}" };
        fanOut.push([range], { nowMs: Date.now(), previousPublishedAt: 1 });
      }
      await scheduler.wait(0);
      return true;
    };
    const namespace = { getByName: () => ({ deliver }) } as unknown as Env["GATEWAY"];
    const fanOut = new FanOut(ctx, namespace, { name: stream, epoch: "an epoch" });
    fanOut.announce({ last: 0, lastPublishedAt: 0 }, Date.now());
    while (callers.length < 51) {
      await scheduler.wait(1);
    }
    return callers;
  });

  // Each sending that waits for the next one would keep its push, of up to 1 MiB, and show in the stack.
  expect(depths).toHaveLength(51);
  expect(Math.max(...depths)).toBe(1);
});
