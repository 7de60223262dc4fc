import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import type { Push } from "../../src/internal/calls.ts";
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

it("pushes what was committed at once as one, however many rows it is, up to a megabyte", async () => {
  const stream = "rows-of-a-commit";
  const client = await connect();
  await client.call("subscribe", { stream });

  const pushes = await runInDurableObject(env.STREAM.getByName(stream), async (_stream, ctx) => {
    const delivered: [previous: number, first: number, last: number, count: number][] = [];
    const deliver = async ({ previous, first, last, count }: Push) => {
      delivered.push([previous, first, last, count]);
      return true;
    };
    const namespace = { getByName: () => ({ deliver }) } as unknown as Env["GATEWAY"];
    const fanOut = new FanOut(ctx, namespace, { name: stream, epoch: "an epoch" });
    const rows = [1, 2, 3].map((first) => ({
      first,
      last: first,
      publishedAt: 1,
      count: 1,
      bytes: 400_000,
      text: "{}",
    }));
    fanOut.push(rows, { nowMs: Date.now(), previousPublishedAt: 1 });
    while (delivered.length < 2) {
      await scheduler.wait(1);
    }
    return delivered;
  });

  expect(pushes).toEqual([
    [0, 1, 2, 2],
    [2, 3, 3, 1],
  ]);
});
