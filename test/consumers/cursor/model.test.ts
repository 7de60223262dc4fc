import fc from "fast-check";
import { inject, test } from "vitest";

import { ConsumerWorld, HOLDERS } from "./world.ts";
import type { Parameters } from "./world.ts";

const { modelRuns: MODEL_RUNS } = inject("lengths");

const COMMANDS = {
  publish: (world, { picks }) => world.publish(picks),
  deliver: (world, { holder, picks: [maxInFlight, limit], amount }) => {
    const page = world.model.page(world.cursor.nextSequence, amount);
    world.deliver(holder, {
      page,
      ...(maxInFlight !== undefined && { maxInFlight: maxInFlight % 8 }),
      ...(limit !== undefined && { limit: limit % 8 }),
    });
  },
  deliverOnePageToAll: (world, { amount }) => {
    const page = world.model.page(world.cursor.nextSequence, amount);
    HOLDERS.forEach((holder) => world.deliver(holder, { maxInFlight: 2, page }));
  },
  ack: (world, { picks }) => world.settle(world.pick(world.model.in("inFlight"), picks)),
  ackLate: (world, { picks }) => world.settle(world.pick(world.model.in("waiting"), picks)),
  ackAnything: (world, { picks }) => {
    const sequences = world.pick(world.model.messages, picks).filter((one) => one < world.cursor.nextSequence);
    world.settle([...sequences, ...sequences]);
  },
  ackThrough: (world, { holder, amount }) => world.settleThrough(holder, amount),
  nak: (world, { holder, picks }) => nak(world, holder, picks),
  nakWithDelay: (world, { holder, picks, amount }) => nak(world, holder, picks, amount * 10),
  nakAnything: (world, { holder, picks }) => {
    const nakked = { holder, sequences: world.pick(world.model.messages, picks), nowMs: world.nowMs };
    world.deadLetter(world.cursor.nak(nakked));
    world.model.nak(nakked);
  },
  term: (world, { picks, amount }) => {
    const reason = amount % 2 === 0 ? undefined : "poison";
    const term = { sequences: world.pick(world.model.unsettled, picks), reason, nowMs: world.nowMs };
    world.deadLetter(world.cursor.term(term));
    world.model.term(term);
  },
  working: (world, { holder, picks }) => {
    const sequences = world.pick(world.model.unsettled, picks);
    world.cursor.working(holder, sequences, world.nowMs);
    world.model.working(holder, sequences, world.nowMs);
  },
  passTime: (world, { amount }) => {
    world.nowMs += amount * amount;
  },
  passTimeAndExpire: (world, { picks, amount }) => {
    const isUntilDeadline = amount % 2 === 0;
    world.nowMs = (isUntilDeadline ? world.cursor.nextDeadline(world.nowMs) : undefined) ?? world.nowMs + amount;
    world.expire(picks[0]);
  },
  deliverSuspect: (world, { holder }) => world.deliverSuspect(holder),
  leave: (world, { holder }) => world.release(holder, false),
  lose: (world, { holder }) => world.release(holder, true),
  releaseWithSomeUnderway: (world, { holder, picks, amount }) => {
    world.release(holder, amount % 2 === 0, world.pick(world.model.inFlightOf(holder), picks));
  },
  revertDelivery: (world, { holder, picks }) => {
    world.revertDelivery(holder, world.pick(world.model.inFlightOf(holder), picks));
  },
  undeliverAnything: (world, { holder, picks }) =>
    world.revertDelivery(holder, world.pick(world.model.messages, picks)),
  markUncertain: (world, { holder, picks }) =>
    world.markUncertain(holder, world.pick(world.model.inFlightOf(holder), picks)),
  doubtAnything: (world, { holder, picks }) => world.markUncertain(holder, world.pick(world.model.messages, picks)),
  restart: (world) => world.restart(),
  trim: (world, { amount }) => world.trim(Math.min(amount, world.model.lastSequence)),
  deleteSingle: (world, { picks }) => {
    const chosen = new Set(world.pick(world.model.messages, picks));
    const deleted = world.model.messages.filter(({ sequence, exists }) => exists && chosen.has(sequence));
    const matching = deleted.filter(({ matches }) => matches).map(({ sequence }) => sequence);
    world.cursor.lose(matching);
    world.model.delete(matching);
  },
  recreate: (world, { amount }) => world.recreate(Math.min(amount, world.model.lastSequence) + 1),
  seek: (world, { amount }) => world.seek(Math.min(amount, world.model.lastSequence) + 1),
  configure: (world, { picks: [first = 0, second = 0], amount }) =>
    world.configure({
      ackWaitMs: 10 + amount * 20,
      maxDeliver: (first % 4) + 1,
      maxInFlight: (second % 12) + 1,
      backoffMs: amount % 3 === 0 ? [] : [amount, first],
    }),
  pause: (world, { amount }) => {
    world.model.paused = amount % 4 === 0;
    world.cursor.setPaused(world.model.paused);
  },
  retryDeadLetters: (world, { picks }) =>
    world.retryDeadLetters(world.pick(world.model.in("dead"), [...picks, ...picks])),
  retryAllDeadLetters: (world) => world.retryDeadLetters(world.model.in("dead").map(({ sequence }) => sequence)),
} satisfies Record<string, (world: ConsumerWorld, parameters: Parameters) => void>;

function nak(world: ConsumerWorld, holder: string, picks: readonly number[], delayMs?: number): void {
  const sequences = world.pick(world.model.inFlightOf(holder), picks);
  const request = { holder, sequences, delayMs, nowMs: world.nowMs };
  world.deadLetter(world.cursor.nak(request));
  world.model.nak(request);
}

type CommandName = keyof typeof COMMANDS;

/** How often beside a command of weight 1; the rare ones would end every run before it got anywhere. */
const WEIGHTS: Partial<Record<CommandName, number>> = {
  publish: 4,
  deliver: 16,
  ack: 4,
  nak: 4,
  working: 2,
  passTimeAndExpire: 6,
  deliverSuspect: 4,
  lose: 4,
  revertDelivery: 2,
  markUncertain: 2,
  restart: 2,
};

const COMMAND_NAMES = (Object.keys(COMMANDS) as CommandName[]).flatMap((name) => {
  return Array.from({ length: WEIGHTS[name] ?? 1 }, () => name);
});

const anyConfig = fc.record({
  ackWaitMs: fc.constantFrom(30, 100, 1_000),
  maxDeliver: fc.integer({ min: 1, max: 4 }),
  maxInFlight: fc.constantFrom(1, 2, 4, 8, 12),
  backoffMs: fc.constantFrom([], [0], [10], [5, 50], [20, 10, 200]),
  maxUnsettled: fc.constantFrom(12, 14, 1_000),
});

const anyCommand = fc.record({
  name: fc.constantFrom(...COMMAND_NAMES),
  holder: fc.constantFrom(...HOLDERS),
  picks: fc.array(fc.nat(31), { maxLength: 4 }),
  amount: fc.nat(15),
});

test(`agrees with the model over ${MODEL_RUNS} sequences of commands`, { timeout: 60_000 + 60 * MODEL_RUNS }, () => {
  const everySequence = fc.property(
    anyConfig,
    fc.array(anyCommand, { maxLength: 100, size: "max" }),
    (config, commands) => {
      const world = new ConsumerWorld(config);
      world.publish(Array.from({ length: 12 }, (_, pick) => pick));
      for (const { name, ...parameters } of commands) {
        COMMANDS[name](world, parameters);
        world.check();
      }
      world.drain();
    },
  );

  fc.assert(everySequence, { numRuns: MODEL_RUNS });
});
