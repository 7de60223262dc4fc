import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { afterEach, inject, it, vi } from "vitest";

import { hasSchema, migrate } from "../../../src/platform/schema.ts";
import { StreamRecord } from "../../../src/stream/record.ts";
import { MIGRATIONS } from "../../../src/stream/schema.ts";
import { Stream } from "../../../src/stream/stream.ts";
import { evict } from "../../harness/objects.ts";

import { KINDS, PRODUCERS, ProducersWorld } from "./world.ts";
import type { Home, RequestPlan } from "./world.ts";

const { modelRuns: MODEL_RUNS } = inject("lengths");
/** Sequences in which the object itself is put to sleep, which takes longer. */
const EVICTED_RUNS = Math.ceil(MODEL_RUNS / 50);
const WINDOW_MS = 1_000;

/** Sequences with more rows than the stream reads when it wakes. */
const ROWS_RUNS = Math.ceil(MODEL_RUNS / 200);
const TABLES = ["stream", "batches", "holes", "producers", "publish_ids", "gateways"];

type Parameters = { plans: RequestPlan[]; picks: number[]; amount: number };

const COMMANDS = {
  publish: (world, { plans }) => world.publish(plans),
  deleteThrough: (world, { amount }) => world.deleteThrough(amount),
  deleteSequences: (world, { picks }) => world.deleteSequences(picks),
  configure: (world, { amount, picks: [pick = 0] }) =>
    world.configure({
      maxMessages: amount % 4 === 0 ? undefined : amount,
      discard: pick % 3 === 0 ? "new" : "old",
    }),
  evict: (world) => world.evict(),
  // Seldom: it takes longer than a sequence of all the others.
  deleteStream: (world, { amount }) => (amount === 0 ? world.deleteStream() : undefined),
  getProducer: (world, { amount }) => world.getProducer(PRODUCERS[amount % PRODUCERS.length] ?? "a"),
  listProducers: (world, { amount }) => world.listProducers(1 + (amount % 3)),
  passTime: (world, { amount }) => passTime(world, amount * amount * 5),
  turnBackTime: (world, { amount }) => (world.knowsSameAt(world.nowMs - amount) ? passTime(world, -amount) : undefined),
} satisfies Record<string, (world: ProducersWorld, parameters: Parameters) => Promise<void> | void | undefined>;

type CommandName = keyof typeof COMMANDS;
type Command = { name: CommandName } & Parameters;

/** How often beside a command of weight 1. */
const WEIGHTS: Partial<Record<CommandName, number>> = { publish: 16, evict: 4, deleteThrough: 2, configure: 2 };

const COMMAND_NAMES = (Object.keys(COMMANDS) as CommandName[]).flatMap((name) => {
  return Array.from({ length: WEIGHTS[name] ?? 1 }, () => name);
});

const anyPlan = fc.record<RequestPlan>({
  producer: fc.constantFrom(...PRODUCERS, ...PRODUCERS, undefined),
  kind: fc.constantFrom("next", "next", "next", "next", "repeated", ...KINDS),
  count: fc.integer({ min: 1, max: 5 }),
  amount: fc.nat(6),
  after: fc.constantFrom("none", "none", "none", "right", "wrong"),
  expect: fc.constantFrom("none", "none", "none", "none", "none", "right", "wrong", "refused"),
});

const anyCommand = fc.record({
  name: fc.constantFrom(...COMMAND_NAMES),
  plans: fc.array(anyPlan, { minLength: 1, maxLength: 4 }),
  picks: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
  amount: fc.nat(15),
});

const anySequence = fc.array(anyCommand, { maxLength: 40, size: "max" });

afterEach(() => {
  vi.useRealTimers();
});

function passTime(world: ProducersWorld, ms: number): void {
  world.nowMs += ms;
  vi.setSystemTime(world.nowMs);
}

async function run(home: Home, commands: readonly Command[]): Promise<void> {
  vi.setSystemTime(1_000_000);
  const world = await ProducersWorld.of(home, WINDOW_MS);
  await take(world, commands);
  await world.check();
  await world.evict();
  await world.check();
}

async function take(world: ProducersWorld, commands: readonly Command[]): Promise<void> {
  for (const { name, ...parameters } of commands) {
    await COMMANDS[name](world, parameters);
  }
}

/** A stream seen from within its object: one that wakes has nothing but what is in SQLite. */
function within(stream: string, state: DurableObjectState): Home {
  const { sql } = state.storage;
  const woken = () => new Stream(state, env);
  const garbage = "SELECT 1 FROM batches, stream WHERE last_sequence <= deleted_through";
  const running = runningOf(state);
  // The objects before may still delete what is below their floors: that would be the rows of another life. One of them may do
  // so though another one has deleted all that there was.
  const swept = async () => {
    await vi.waitUntil(() => !hasSchema(sql) || sql.exec(garbage).toArray().length === 0, { interval: 0 });
    while (running.length > 0) {
      await Promise.allSettled(running.splice(0));
    }
  };
  return {
    stream,
    woken: async () => {
      await swept();
      return woken();
    },
    made: async () => {
      // Deleting all the object has would take longer than all the rest.
      migrate(state.storage, MIGRATIONS);
      await swept();
      TABLES.forEach((table) => sql.exec(`DELETE FROM ${table}`));
      StreamRecord.create(sql, stream, Date.now());
      // What it says to the Directory is not of this model, and takes longer than all the rest.
      StreamRecord.load(sql).noteListed();
      return woken();
    },
  };
}

/** What an object has under way beside its calls: it grows. */
function runningOf(state: DurableObjectState): Promise<unknown>[] {
  const running: Promise<unknown>[] = [];
  const waitUntil = state.waitUntil.bind(state);
  state.waitUntil = (promise) => {
    running.push(promise);
    waitUntil(promise);
  };
  return running;
}

/** A stream seen from without, whose object is put to sleep by the runtime. */
function without(stream: string): Home {
  const stub = env.STREAM.getByName(stream);
  return {
    stream,
    woken: async () => {
      await evict(stub);
      return stub;
    },
    made: async () => {
      await stub.destroy(undefined);
      return stub;
    },
  };
}

/** Runs a property within the object of a stream. */
async function runWithin(stream: string, act: (home: Home) => Promise<void>): Promise<void> {
  await runInDurableObject(env.STREAM.getByName(stream), (_stream, state) => act(within(stream, state)));
}

it(`agrees with the model over ${MODEL_RUNS} sequences of commands`, { timeout: 60_000 + 60 * MODEL_RUNS }, () =>
  runWithin("producers-model", (home) =>
    fc.assert(
      fc.asyncProperty(anySequence, (commands) => run(home, commands)),
      { numRuns: MODEL_RUNS },
    ),
  ),
);

it(
  `agrees with the model over ${EVICTED_RUNS} sequences with real evictions`,
  { timeout: 60_000 + 60 * MODEL_RUNS },
  () =>
    fc.assert(
      fc.asyncProperty(anySequence, (commands) => run(without("producers-model-evicted"), commands)),
      { numRuns: EVICTED_RUNS },
    ),
);

it(
  "agrees with the model where the producers are written again after so many rows",
  { timeout: 60_000 + 60 * MODEL_RUNS },
  () =>
    runWithin("producers-model-rows", (home) =>
      fc.assert(
        fc.asyncProperty(fc.array(anySequence, { minLength: 4, maxLength: 4 }), async (parts) => {
          vi.setSystemTime(1_000_000);
          const world = await ProducersWorld.of(home, WINDOW_MS);
          for (const commands of parts) {
            await world.fill(350);
            await world.evict();
            await take(world, commands);
          }
          await world.check();
        }),
        { numRuns: ROWS_RUNS },
      ),
    ),
);
