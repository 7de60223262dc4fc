import { durableStreamClientDriver } from "../driver/systems/durable-stream-client.ts";
import { durableStreamDriver } from "../driver/systems/durable-stream.ts";
import type { DurableStreamEndpoint } from "../driver/systems/durable-stream.ts";
import type { Connection, Driver } from "../driver/driver.ts";
import { followAll } from "../workloads/fan-out.ts";
import { Counter, DATA } from "../workloads/workload.ts";

const DAY_MS = 86_400_000;
/** Finer than any alarm of an idle object. */
const STEP_MS = 300_000;

/** What a scenario runs on. */
export type CostPlace = {
  readonly frames: Driver;
  readonly batches: Driver;
  readonly client: Driver;
  readonly stream: string;
  /** Lets time pass. */
  readonly pass: (ms: number, stepMs: number) => Promise<void>;
};

/** Something whose cost is counted. What is opened or stored before is not a part of it. */
export type CostScenario = {
  readonly name: string;
  /** A day of it is told, and not a million messages. */
  readonly isDay?: boolean;
  /** @returns The work to count, which returns how many messages it was; and what to close after it. */
  readonly prepare: (place: CostPlace) => Promise<{ work: () => Promise<number>; connections: readonly Connection[] }>;
};

type Shape = {
  way: "frames" | "batches" | "client";
  publishers: number;
  open: number;
  count: number;
  followers: number;
};

export const COST_SCENARIOS: readonly CostScenario[] = [
  published("one publisher, one at a time", { way: "frames", publishers: 1, open: 1, count: 2_000, followers: 0 }),
  published("one publisher, 256 frames open", { way: "frames", publishers: 1, open: 256, count: 20_000, followers: 0 }),
  published("one publisher, 4,096 open in batches", {
    way: "batches",
    publishers: 1,
    open: 4_096,
    count: 100_000,
    followers: 0,
  }),
  published("one publisher, the client, 256 open", {
    way: "client",
    publishers: 1,
    open: 256,
    count: 50_000,
    followers: 0,
  }),
  published("8 publishers, 256 frames open each", {
    way: "frames",
    publishers: 8,
    open: 256,
    count: 40_000,
    followers: 0,
  }),
  published("to 10 followers, one at a time", { way: "frames", publishers: 1, open: 1, count: 2_000, followers: 10 }),
  published("to 10 followers, the client, 4,096 open", {
    way: "client",
    publishers: 1,
    open: 4_096,
    count: 100_000,
    followers: 10,
  }),
  published("to 1,000 followers, one at a time", {
    way: "frames",
    publishers: 1,
    open: 1,
    count: 300,
    followers: 1_000,
  }),
  published("to 1,000 followers, the client, 4,096 open", {
    way: "client",
    publishers: 1,
    open: 4_096,
    count: 20_000,
    followers: 1_000,
  }),
  consumed("a consumer, 1 worker, stored messages", 1),
  consumed("a consumer, 8 workers, stored messages", 8),
  {
    name: "an idle day with 1,000 followers",
    isDay: true,
    prepare: async ({ frames, stream, pass }) => {
      await frames.create(stream);
      const connections = await followAll(
        frames,
        Array.from({ length: 1_000 }, () => stream),
        new Counter(),
      );
      return { work: () => pass(DAY_MS, STEP_MS).then(() => 0), connections };
    },
  },
];

/** The drivers of a server for all scenarios. */
export async function costDrivers(
  endpoint: DurableStreamEndpoint,
): Promise<Pick<CostPlace, "frames" | "batches" | "client">> {
  const frames = await durableStreamDriver(endpoint, "frames");
  const batches = await durableStreamDriver(endpoint, "batches");
  return { frames, batches, client: durableStreamClientDriver(endpoint, frames) };
}

function published(name: string, { way, publishers, open, count, followers }: Shape): CostScenario {
  return {
    name,
    prepare: async ({ stream, ...drivers }) => {
      const { [way]: driver, frames } = drivers;
      await frames.create(stream);
      const counter = new Counter();
      const following = await followAll(
        frames,
        Array.from({ length: followers }, () => stream),
        counter,
      );
      const publishing = await Promise.all(Array.from({ length: publishers }, () => driver.publisher([stream], DATA)));
      const publish = async (wanted: number) => {
        const counts = await Promise.all(publishing.map((each) => each.publish(wanted / publishers, open)));
        const total = counts.reduce((sum, one) => sum + one, 0);
        await counter.next(total * followers);
        return total;
      };
      // The stream exists, and its object is awake.
      await publish(publishers);
      return { work: () => publish(count), connections: [...publishing, ...following] };
    },
  };
}

function consumed(name: string, workers: number): CostScenario {
  const count = 20_000;
  return {
    name,
    prepare: async ({ frames, stream }) => {
      await frames.create(stream);
      await frames.createConsumer?.(stream);
      await frames.fill(stream, DATA, count);
      const counter = new Counter();
      const connections: Connection[] = [];
      const work = async () => {
        const opened = Array.from({ length: workers }, async () => frames.worker?.(stream, counter.add));
        connections.push(...(await Promise.all(opened)).filter((each) => each !== undefined));
        await counter.next(count);
        return count;
      };
      return { work, connections };
    },
  };
}
