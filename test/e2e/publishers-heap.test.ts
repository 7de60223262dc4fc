import { expect } from "vitest";

import { LIMITS } from "../../rpc/index.ts";

import type { Target } from "./server/client.ts";
import { test as base } from "./server/fixtures.ts";
import { heapBytes } from "./server/heap.ts";

const FRAME_CALLS = 250;
/** Messages that some producers publish by turns, each a run of its own. */
const TURNS = 40_000;
const MOST_BYTES = 2_000_000;

const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1" }, isInspected: true } });

type Publish = {
  stream: string;
  data: number;
  id?: string;
  producer?: { id: string; sequence: number };
};
type Answer = { result: { duplicate: boolean; sequence: number } };

async function publish({ url, apiKey }: Target, calls: readonly Publish[]): Promise<Answer[]> {
  const body = JSON.stringify(calls.map((params, id) => ({ jsonrpc: "2.0", id, method: "publish", params })));
  const headers = { Authorization: `Bearer ${apiKey}` };
  const response = await fetch(new URL("/rpc", url), { method: "POST", headers, body });
  return (await response.json()) as Answer[];
}

/** Publishes so many, as frames. @returns The sequences. */
async function fill(target: Target, count: number, callOf: (index: number) => Publish): Promise<number[]> {
  const sequences: number[] = [];
  for (let first = 0; first < count; first += FRAME_CALLS) {
    const calls = Array.from({ length: FRAME_CALLS }, (_, index) => callOf(first + index));
    sequences.push(...(await publish(target, calls)).map(({ result }) => result.sequence));
  }
  return sequences;
}

/** Of as many characters as a producer's may have. */
function producerOf(index: number): string {
  return `till-${index}-`.padEnd(LIMITS.producerIdCharacters, "x");
}

/** Of 128 characters, which is the most. */
function idOf(index: number): string {
  return `order-${index}-`.padEnd(128, "x");
}

test(
  "the most producers and the most publish ids take at most 2 MB of heap together, also of a stream that slept",
  { timeout: 240_000 },
  async ({ server }) => {
    const inspector = await server.inspector();
    const stream = "with";
    // All that the other one does, for what code and buffers take.
    await fill(server, 1000, (index) => ({ stream: "without", data: 1, id: `order-${index}` }));
    await fill(server, 20_000, (index) => {
      return {
        stream: "without",
        data: 1,
        producer: { id: `till-${index % 10}`, sequence: 1 + Math.floor(index / 10) },
      };
    });
    await publish(server, [{ stream: "without", data: 1, producer: { id: "till-1", sequence: 1 } }]);
    // What a stream takes that remembers no publisher.
    await server.evictStream("without");
    const measure = async () => {
      await publish(server, [{ stream: "without", data: 1 }]);
      return heapBytes(inspector);
    };
    const without = await measure();

    await fill(server, LIMITS.publishIds, (index) => ({ stream, data: 1, id: idOf(index) }));
    const first = await fill(server, LIMITS.producers, (index) => {
      return { stream, data: 1, producer: { id: producerOf(index), sequence: 1 } };
    });
    const turns = await fill(server, TURNS, (index) => {
      return { stream, data: 1, producer: { id: producerOf(index % 100), sequence: 2 + Math.floor(index / 100) } };
    });
    const filled = (await measure()) - without;
    const repeated = [0, 1, 200, LIMITS.producers - 1].map((index) => producerOf(index));
    const calls = repeated.map((id): Publish => ({ stream, data: 1, producer: { id, sequence: 1 } }));
    const answers = await publish(server, calls);
    const ofTurn = { id: producerOf(7), sequence: 2 + 50 };
    await server.evictStream(stream);
    const [answer, ofId] = await publish(server, [
      { stream, data: 1, producer: ofTurn },
      { stream, data: 1, id: idOf(LIMITS.publishIds / 2) },
    ]);
    const woken = (await measure()) - without;
    inspector.close();

    expect(answers.map(({ result }) => result)).toEqual(
      [0, 1, 200, LIMITS.producers - 1].map((index) =>
        expect.objectContaining({ sequence: first[index], duplicate: true }),
      ),
    );
    expect(answer?.result).toMatchObject({ sequence: turns[50 * 100 + 7], duplicate: true });
    expect(ofId?.result.duplicate).toBe(true);
    expect({ filled, woken }).toEqual({ filled: expect.toSatisfy(isLittle), woken: expect.toSatisfy(isLittle) });
  },
);

function isLittle(bytes: number): boolean {
  return bytes <= MOST_BYTES;
}
