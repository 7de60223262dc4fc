import { cp, rm } from "node:fs/promises";

import { describe, expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import { ErrorCode } from "../../../rpc/index.ts";

import type { Client } from "../server/client.ts";
import { test as base } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";

const STREAM = "orders";

const test = base.extend<{ backup: string }>({
  backup: async ({ data }, use) => {
    await use(`${data}-backup`);
    await rm(`${data}-backup`, { recursive: true, force: true });
  },
});

async function publish(client: Client, count: number, life: string) {
  const messages = Array.from({ length: count }, () => ({ data: life }));
  return client.call("publishBatch", { stream: STREAM, messages });
}

/** Copies what a server has stored, while it is down. */
async function copy(server: Server, from: string, to: string): Promise<void> {
  await server.stop();
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true });
  await server.start();
}

/** Messages as runs of what they hold: `[first, last, data]`. */
function runsOf(
  events: readonly { sequence: number; data: unknown }[],
): [first: number, last: number, data: unknown][] {
  const runs: [number, number, unknown][] = [];
  for (const { sequence, data } of events) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] + 1 === sequence && run[2] === data) {
      run[1] = sequence;
    } else {
      runs.push([sequence, sequence, data]);
    }
  }
  return runs;
}

const moments: [when: string, count: number][] = [
  ["while it is shorter than what was read", 10],
  ["once it has grown beyond what was read", 110],
];

describe.for(moments)("a follower of a stream whose data was put back, looking %s", ([, count]) => {
  test("is told, and has all of what there is", async ({ server, connect, data, backup }) => {
    const gate = { open: Promise.resolve() };
    await using client = new DurableStream({
      url: server.url,
      token: async () => {
        await gate.open;
        return server.apiKey;
      },
      reconnect: { leastMs: 5, mostMs: 50 },
    });
    const subscription = client.subscribe({ stream: STREAM });
    const messages: { sequence: number; data: unknown }[] = [];
    const told: unknown[] = [];
    const take = async (until: number) => {
      while (messages.length < until) {
        const { value } = await subscription.next();
        if (value?.type === "message") {
          messages.push(value);
        } else {
          told.push(value);
        }
      }
    };
    await publish(await connect(), 100, "kept");
    await take(100);
    await copy(server, data, backup);
    await publish(await connect(), 100, "lost");
    await take(200);

    const reopened = Promise.withResolvers<void>();
    gate.open = reopened.promise;
    await copy(server, backup, data);
    await publish(await connect(), count, "new");
    reopened.resolve();
    await take(300 + count);

    expect(told).toEqual([expect.objectContaining({ type: "epochChanged", reason: "restored" })]);
    expect(runsOf(messages)).toEqual([
      [1, 100, "kept"],
      [101, 200, "lost"],
      [1, 100, "kept"],
      [101, 100 + count, "new"],
    ]);
  });

  test("is refused its position, in every way to ask for it", async ({ server, connect, data, backup }) => {
    const before = await connect();
    await publish(before, 100, "kept");
    await copy(server, data, backup);
    const { epoch, publishedAt } = await publish(await connect(), 100, "lost");
    await copy(server, backup, data);
    const after = await connect();
    await publish(after, count, "new");

    const from = { sequence: 201, previousPublishedAt: publishedAt };
    const refused = [
      await after.callError("subscribe", { stream: STREAM, epoch, from }),
      await after.callError("getMessages", { stream: STREAM, epoch, from }),
      await after.callError("createConsumer", { stream: STREAM, consumer: "c", epoch, from }),
    ];

    expect(refused.map(({ code }) => code)).toEqual(refused.map(() => ErrorCode.Conflict));
    // A position without its witness is known for what it is as long as the stream is shorter.
    const bare = await after.request("subscribe", { stream: STREAM, epoch, from: { sequence: 201 } });
    expect(bare.error?.data).toEqual(count < 100 ? { lastSequence: 100 + count, epoch } : undefined);
    const beyond = await after.callError("subscribe", { stream: STREAM, epoch, from: { sequence: 100 + count + 3 } });
    expect([beyond.code, beyond.data]).toEqual([ErrorCode.Conflict, { lastSequence: 100 + count, epoch }]);
  });
});
