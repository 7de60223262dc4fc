import { expect } from "vitest";

import { test as base } from "./server/fixtures.ts";
import { heapBytes } from "./server/heap.ts";
import type { Target } from "./server/client.ts";

/** As many as a stream remembers. */
const IDS = 200_000;
const FRAME_IDS = 250;
const MOST_BYTES = 2_000_000;

const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1" }, isInspected: true } });

type Publish = { stream: string; data: number; id?: string };

async function publish(
  { url, apiKey }: Target,
  calls: readonly Publish[],
): Promise<{ result: { duplicate: boolean } }[]> {
  const body = JSON.stringify(calls.map((params, id) => ({ jsonrpc: "2.0", id, method: "publish", params })));
  const headers = { Authorization: `Bearer ${apiKey}` };
  const response = await fetch(new URL("/rpc", url), { method: "POST", headers, body });
  return (await response.json()) as { result: { duplicate: boolean } }[];
}

/** Of 128 characters, which is the most. */
function idOf(index: number): string {
  return `order-${index}-`.padEnd(128, "x");
}

async function fill(target: Target, stream: string, hasIds: boolean): Promise<void> {
  for (let first = 0; first < IDS; first += FRAME_IDS) {
    const calls = Array.from({ length: FRAME_IDS }, (_, index): Publish => {
      return { stream, data: 1, ...(hasIds ? { id: idOf(first + index) } : {}) };
    });
    await publish(target, calls);
  }
}

test(
  "200,000 publish ids take at most 2 MB of heap, also of a stream that slept",
  { timeout: 180_000 },
  async ({ server }) => {
    const inspector = await server.inspector();
    await fill(server, "without", false);
    const without = await heapBytes(inspector);
    await fill(server, "with", true);
    const filled = (await heapBytes(inspector)) - without;
    await server.evictStream("with");
    const known = { stream: "with", data: 1, id: idOf(IDS / 2) };
    const [duplicate] = await publish(server, [known]);
    const woken = (await heapBytes(inspector)) - without;
    inspector.close();

    expect(duplicate?.result.duplicate).toBe(true);
    expect({ filled, woken }).toEqual({ filled: expect.toSatisfy(isLittle), woken: expect.toSatisfy(isLittle) });
  },
);

function isLittle(bytes: number): boolean {
  return bytes <= MOST_BYTES;
}
