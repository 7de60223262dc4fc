import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { residentBytesOf } from "../../bench/driver/processes.ts";
import { Client } from "../server/client.ts";
import type { Target } from "../server/client.ts";
import type { Inspector } from "../server/inspector.ts";
import type { Server } from "../server/server.ts";

import { fill } from "./cases.ts";
import type { BoundsCase } from "./cases.ts";
import { HonestClient } from "./honest.ts";
import type { HonestReport } from "./honest.ts";

/** What the process of the clients is told. */
export type ClientsOptions = { name: string; target: Target; clients: number; isUnread: boolean };

const MIB = 1_048_576;
/** A server has made what it was asked for when its memory has not grown in so many samples, or after so long. */
const SETTLED_SAMPLES = 8;
const MOST_MS = 10_000;
/** So often V8 collects, and memory is looked at: what nobody holds any more is not to count. */
const SAMPLE_MS = 100;
/** What is held is in so many samples one after the other; an answer that is being made, and what it leaves, is not. */
const HELD_SAMPLES = 3;
const HONEST_CLIENTS = 4;
const WARM_MS = 3_000;

/** Who does what a case does, and for how long. */
type Load = { readonly clients: number; readonly ms: number };

/**
 * How far a server's memory grew, in MiB, at most and by what it held for a while, and what became of the messages of honest
 * clients beside it.
 */
export type Growth = { readonly grownMiB: number; readonly heldMiB: number; readonly beside: HonestReport };

/**
 * How long the messages of honest clients take: alone, while a case is run on another server of this machine, which takes
 * its share of the cores and disks from them, and beside the case on their own.
 */
export type Delays = { readonly alone: HonestReport; readonly elsewhere: HonestReport; readonly beside: HonestReport };

/**
 * Runs a case by so many clients that do not read, on an inspected server that is used for nothing else. Its memory is compared
 * with what one that reads made of it, so that what V8 and SQLite take for any load does not count.
 */
export async function measureGrowth(server: Server, given: BoundsCase, { clients, ms }: Load): Promise<Growth> {
  const target = await prepared(server);
  await runFor(ms, { name: given.name, target, clients: 1, isUnread: false });
  const held = await HeldMemory.watch(server);
  await using process = await ClientsProcess.start();
  const beside = await honest(server, async () => {
    await process.begin({ name: given.name, target, clients, isUnread: true });
    await held.whenSettled(ms);
    await held.stop();
  });
  return { grownMiB: Math.round(held.grownMiB), heldMiB: Math.round(held.heldMiB), beside };
}

/** Runs a case in the same way beside honest clients. Nothing is collected by force meanwhile, which would hold them up. */
export async function measureDelays(
  { server, other }: { server: Server; other: Server },
  given: BoundsCase,
  { clients, ms }: Load,
): Promise<Delays> {
  const targets = { server: await prepared(server), other: await prepared(other) };
  const besides = async (target: Target) => {
    // What has run a moment ago is compiled: V8 drops the code of what has not run for a while.
    await runFor(WARM_MS, { name: given.name, target, clients: 1, isUnread: false });
    await using process = await ClientsProcess.start();
    return await honest(server, async () => {
      await process.begin({ name: given.name, target, clients, isUnread: true });
      await delay(ms);
    });
  };
  const alone = await honest(server, () => delay(ms));
  const elsewhere = await besides(targets.other);
  // What it still has to do would fall into what is measured next.
  await other.kill9();
  return { alone, elsewhere, beside: await besides(targets.server) };
}

/** What V8 sampled: its functions, and which of them ran when (chromedevtools.github.io/devtools-protocol, Profiler). */
export type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

/** Runs a case beside honest clients on an inspected server, and tells what its isolate did meanwhile. */
export async function profileOf(server: Server, given: BoundsCase, { clients, ms }: Load): Promise<Profile> {
  const target = await prepared(server);
  await runFor(ms, { name: given.name, target, clients: 1, isUnread: false });
  const inspector = await server.inspector();
  await inspector.call("Profiler.enable");
  await inspector.call("Profiler.start");
  await honest(server, () => runFor(ms, { name: given.name, target, clients, isUnread: true }));
  const { profile } = await inspector.call<{ profile: Profile }>("Profiler.stop");
  inspector.close();
  return profile;
}

async function prepared(server: Server): Promise<Target> {
  const client = await Client.connect(server);
  await fill(client);
  client.terminate();
  return { url: server.url, apiKey: server.apiKey };
}

/** By how much the memory of a server grows, without what V8 could collect. */
class HeldMemory {
  readonly #server: Server;
  readonly #inspector: Inspector;
  readonly #before: number;
  #most: number;
  #mostHeld: number;
  readonly #latest: number[] = [];
  /** Samples since it grew. */
  #unchanged = 0;
  #isOver = false;
  #watching: Promise<void> | undefined;

  private constructor(server: Server, inspector: Inspector) {
    this.#server = server;
    this.#inspector = inspector;
    this.#before = residentMiB(server);
    this.#most = this.#before;
    this.#mostHeld = this.#before;
  }

  static async watch(server: Server): Promise<HeldMemory> {
    const inspector = await server.inspector();
    await inspector.collectGarbage();
    const held = new HeldMemory(server, inspector);
    held.#watching = held.#watch();
    return held;
  }

  /** From before to the most that was seen. */
  get grownMiB(): number {
    return this.#most - this.#before;
  }

  /** From before to the most that was held. */
  get heldMiB(): number {
    return this.#mostHeld - this.#before;
  }

  /** Waits so long, and until it grows no more: a machine that is busy takes longer. */
  async whenSettled(ms: number): Promise<void> {
    const startedAt = performance.now();
    await delay(ms);
    while (this.#unchanged < SETTLED_SAMPLES && performance.now() - startedAt < ms + MOST_MS) {
      await delay(SAMPLE_MS);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#watching;
    this.#inspector.close();
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await this.#inspector.collectGarbage();
      const mebibytes = residentMiB(this.#server);
      this.#unchanged = mebibytes > this.#most + 1 ? 0 : this.#unchanged + 1;
      this.#most = Math.max(this.#most, mebibytes);
      this.#latest.push(mebibytes);
      if (this.#latest.length === HELD_SAMPLES) {
        this.#mostHeld = Math.max(this.#mostHeld, Math.min(...this.#latest));
        this.#latest.shift();
      }
      await delay(SAMPLE_MS);
    }
  }
}

/** Runs a case for a while, in a process of its own. */
async function runFor(ms: number, options: ClientsOptions): Promise<void> {
  await using clients = await ClientsProcess.start();
  await clients.begin(options);
  await delay(ms);
}

/** The process of the clients of a case. It is started before anything is measured, as that takes a while on both cores. */
class ClientsProcess {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(): Promise<ClientsProcess> {
    const process = fork(join(import.meta.dirname, "clients-process.ts"), [], { execArgv: [] });
    await once(process, "message");
    return new ClientsProcess(process);
  }

  /** Has it run a case until it is disposed of. */
  async begin(options: ClientsOptions): Promise<void> {
    this.#process.send(options);
    await once(this.#process, "message");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }
}

/** Runs honest clients during some work. */
async function honest(server: Server, work: () => Promise<void>): Promise<HonestReport> {
  const clients = await Promise.all(Array.from({ length: HONEST_CLIENTS }, () => HonestClient.start(server)));
  const beganAt = performance.now();
  await work();
  const reports = await Promise.all(clients.map((client) => client.stop(beganAt)));
  const sum = (of: (report: HonestReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const most = (of: (report: HonestReport) => number) => Math.round(Math.max(...reports.map(of)) * 10) / 10;
  return {
    acked: sum(({ acked }) => acked),
    missing: sum(({ missing }) => missing),
    refused: sum(({ refused }) => refused),
    p99Ms: most(({ p99Ms }) => p99Ms),
    firstP99Ms: most(({ firstP99Ms }) => firstP99Ms),
  };
}

function residentMiB({ processGroup }: Server): number {
  return (residentBytesOf(processGroup) ?? 0) / MIB;
}
