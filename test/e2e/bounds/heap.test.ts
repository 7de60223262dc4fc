/**
 * Pages are gone from the heap when they are sent. What only a full collection of V8 frees makes the heap grow until there is
 * one, which stops the isolate for some 40 ms, and with it everybody who uses it.
 */
import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { test as base } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";

import { fill } from "./cases.ts";

const MIB = 1_048_576;
/** Of a megabyte each: V8 lets what it takes for old grow to a part of them before it looks whether that is used. */
const PAGES = 240;
/** What is made between two collections of new objects, and what is on its way. It was 150 and 250 when pages were kept. */
const MOST_MIB = 115;
const SAMPLE_MS = 50;

// On a machine that is busy those that are asked for at once wait for long.
const test = base.extend({ options: { isInspected: true, vars: { ROOM_WAIT_MS: "60000" } } });

test.for([
  [1, "that does not wait"],
  [60, "that has waited for those before it"],
] as const)(
  "of a client that asks for %i at once a page %s is not kept",
  async ([atOnce], { server, connect, annotate }) => {
    const client = await connect();
    await fill(client);

    const mostMiB = await mostHeapOf(server, async () => {
      for (let page = 0; page < PAGES; page += atOnce) {
        await Promise.all(Array.from({ length: atOnce }, () => client.call("getMessages", { stream: "bounds" })));
      }
    });

    await annotate(`${Math.round(mostMiB)} MiB`);
    expect(mostMiB).toBeLessThan(MOST_MIB);
  },
);

/** The largest heap, in MiB, that its Worker has during some work. */
async function mostHeapOf(server: Server, work: () => Promise<void>): Promise<number> {
  const inspector = await server.inspector();
  await inspector.collectGarbage();
  const over = new AbortController();
  let most = 0;
  const sample = async () => {
    while (!over.signal.aborted) {
      const { usedSize } = await inspector.call<{ usedSize: number }>("Runtime.getHeapUsage");
      most = Math.max(most, usedSize / MIB);
      await delay(SAMPLE_MS);
    }
  };
  const sampling = sample();
  try {
    await work();
  } finally {
    over.abort();
    await sampling;
    inspector.close();
  }
  return most;
}
