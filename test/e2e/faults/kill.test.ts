import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, inject } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import type { Message } from "../../../rpc/index.ts";

import { LONG } from "../../lengths.ts";
import type { Client } from "../server/client.ts";
import { test } from "../server/fixtures.ts";
import { violations } from "./histories/history.ts";
import type { History } from "./histories/history.ts";
import { LoadFollower, LoadPublisher, randomOf, Uptime } from "./loads/load.ts";

/** `KILL_ROUNDS=200 KILL_SEED=1 npm run test:long -- test/e2e/faults/kill.test.ts` for a longer or an equal load. */
const { killRounds: ROUNDS } = inject("lengths");
const SEED = Number(process.env["KILL_SEED"] ?? Date.now() % 1_000_000);

/** A round ends after this many answers at most. */
const ANSWERS_A_ROUND = 600;
const MAX_DELAY_MS = 30;
const CATCH_UP_MS = 20_000;
/** What is read of a log after each crash. */
const READ_MESSAGES = 3_000;

/** The clients of one stream, and what was read of its log. */
type Workload = { stream: string; publishers: LoadPublisher[]; followers: LoadFollower[]; reads: Message[][] };

describe("a server that is killed and started again under load", () => {
  test(
    `keeps every promise over ${ROUNDS} rounds`,
    { timeout: 40_000 + ROUNDS * 5_000 },
    async ({ server, connect, annotate }) => {
      const random = randomOf(SEED);
      const uptime = new Uptime(server);
      const workloads = [sharedStream(uptime, random), chainStream(uptime, random)];
      const publishers = workloads.flatMap((workload) => workload.publishers);
      const followers = workloads.flatMap((workload) => workload.followers);
      const answers = countAnswers(publishers);

      // The first kill may come before the first publish, and the log is read after each.
      const creator = await connect();
      await Promise.all(workloads.map(({ stream }) => creator.call("configureStream", { stream })));
      uptime.up();
      const publishing = Promise.all(publishers.map((publisher) => publisher.run()));
      const following = Promise.all(followers.map((follower) => follower.run()));
      for (let round = 1; round <= ROUNDS; round += 1) {
        await Promise.race([answers.whenMore(Math.floor(random() * ANSWERS_A_ROUND)), publishing, following]);
        // So that the crash is not always right after an answer.
        await delay(random() * MAX_DELAY_MS);
        const killed = server.kill9();
        uptime.down();
        await killed;
        await server.start();
        const reader = await connect();
        for (const { stream, reads } of workloads) {
          const { messages } = await readLog(reader, stream, { last: READ_MESSAGES });
          reads.push(messages);
        }
        uptime.up();
      }
      uptime.isOver = true;
      await publishing;
      const reader = await connect();
      const histories = await Promise.all(workloads.map((workload) => finish(workload, reader)));
      await following;

      const figures = histories.map(summary);
      await annotate(`seed ${SEED}, ${ROUNDS} rounds: ${JSON.stringify(figures)}`);
      expect(histories.flatMap(violations).slice(0, 20), `seed ${SEED}`).toEqual([]);
      expect(followers.flatMap((follower) => follower.surprises)).toEqual([]);
      expect(figures[1]?.refused, "the chain never conflicts with itself").toBe(0);
      expect(refusalsOf(publishers), "nothing but a wrong expectation is refused").toEqual([ErrorCode.Conflict]);
      // The load was what it is meant to be: crashes left publishes open, of which some were stored and some were not. A
      // few rounds may do without either.
      if (ROUNDS >= LONG.killRounds) {
        expect(figures[0]?.unknownAndStored).toBeGreaterThan(0);
        expect(figures[0]?.unknownAndNotStored).toBeGreaterThan(0);
      }
    },
  );
});

/** Several publishers, so that their batches mix, and followers of every pace. */
function sharedStream(uptime: Uptime, random: () => number): Workload {
  const stream = "shared";
  const publishers = [
    { name: "one", inFlight: 1 },
    { name: "few", inFlight: 8 },
    { name: "many", inFlight: 32 },
    { name: "more", inFlight: 32 },
  ].map((habit) => new LoadPublisher({ ...habit, stream, expects: "sometimes" }, uptime, random));
  const followers = [
    { name: "quick", maxInFlight: 10_000, ackEvery: 1 },
    { name: "narrow", maxInFlight: 64, ackEvery: 16 },
    { name: "late", maxInFlight: 2_000, ackEvery: 1_000 },
    { name: "filtered", maxInFlight: 256, ackEvery: 1, filter: "load.few.>" },
  ].map((habit) => new LoadFollower({ ...habit, stream }, uptime, habit.filter === undefined ? isAny : isOfFew));
  return { stream, publishers, followers, reads: [] };
}

/** One publisher that always expects its own last sequence: a message lost or stored twice would be a Conflict. */
function chainStream(uptime: Uptime, random: () => number): Workload {
  const stream = "chain";
  return {
    stream,
    publishers: [new LoadPublisher({ name: "link", stream, inFlight: 1, expects: "always" }, uptime, random)],
    followers: [new LoadFollower({ name: "strict", stream, maxInFlight: 1, ackEvery: 1 }, uptime, isAny)],
    reads: [],
  };
}

function isAny(): boolean {
  return true;
}

function isOfFew(message: Message): boolean {
  return message.subject?.startsWith("load.few.") ?? false;
}

/** Waits until every follower has the whole log, and returns all that was seen. */
async function finish({ stream, publishers, followers, reads }: Workload, reader: Client): Promise<History> {
  const { epoch, messages: log } = await readLog(reader, stream, "first");
  for (const follower of followers) {
    await follower.waitFor(log.findLast(follower.following.wants)?.sequence ?? 0, CATCH_UP_MS);
    follower.stop();
  }
  return {
    epochs: [epoch, ...followers.flatMap((follower) => follower.epochs)],
    publishes: publishers.flatMap((publisher) => publisher.publishes),
    followings: followers.map((follower) => follower.following),
    reads,
    log,
  };
}

async function readLog(reader: Client, stream: string, from: "first" | { last: number }) {
  let page = await reader.call("getMessages", { stream, from });
  const messages = [...page.messages];
  while (page.nextSequence <= page.lastSequence) {
    page = await reader.call("getMessages", { stream, from: { sequence: page.nextSequence } });
    messages.push(...page.messages);
  }
  return { epoch: page.epoch, messages };
}

function countAnswers(publishers: readonly LoadPublisher[]) {
  let count = 0;
  let waiting: { until: number; resolve: () => void } | undefined;
  for (const publisher of publishers) {
    publisher.onAcknowledged = () => {
      count += 1;
      if (waiting !== undefined && count >= waiting.until) {
        waiting.resolve();
      }
    };
  }
  return {
    /** Waits for so many answers from now on. */
    whenMore(answers: number): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { until: count + answers, resolve };
      return answers === 0 ? Promise.resolve() : promise;
    },
  };
}

/** The codes of all refusals, each once. */
function refusalsOf(publishers: readonly LoadPublisher[]): number[] {
  const outcomes = publishers
    .flatMap((publisher) => publisher.publishes)
    .flatMap(({ attempts }) => attempts)
    .flatMap(({ outcome }) => (outcome.kind === "refused" ? [outcome.code] : []));
  return [...new Set(outcomes)];
}

function summary({ publishes, log, followings }: History) {
  const last = publishes.map(({ attempts }) => ({ attempts: attempts.length, outcome: attempts.at(-1)?.outcome }));
  const retried = last.filter(({ attempts }) => attempts > 1);
  const wasStored = retried.filter(({ outcome }) => outcome?.kind === "stored" && outcome.duplicate);
  return {
    publishes: publishes.length,
    stored: last.filter(({ outcome }) => outcome?.kind === "stored").length,
    refused: last.filter(({ outcome }) => outcome?.kind === "refused").length,
    unknownAndStored: wasStored.length,
    unknownAndNotStored: retried.length - wasStored.length,
    messages: log.length,
    received: Object.fromEntries(
      followings.map(({ name, deliveries }) => [name, deliveries.reduce((sum, one) => sum + one.messages.length, 0)]),
    ),
  };
}
