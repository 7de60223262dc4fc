import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, inject, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../../rpc/index.ts";

import { CallError } from "../server/client.ts";
import type { Client } from "../server/client.ts";
import { test as base } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";
import { randomOf, Uptime } from "./loads/load.ts";

/** `LISTED_STREAMS=20000 LISTED_SEED=1 npm run test:long -- test/e2e/faults/directory.test.ts` for more, or an equal load. */
const { listedStreams: STREAMS } = inject("lengths");
const SEED = Number(process.env["LISTED_SEED"] ?? Date.now() % 1_000_000);

const SOCKETS = 4;
/** Calls of each socket at the same time. */
const CALLS = 75;
const KILLS = 4;
/** A stream is created, deleted and so on, so often at most. */
const MOST_STEPS = 4;
/** The Directory and some streams are evicted each time that so many streams came or went. */
const STEPS_AN_EVICTION = 20;
/** Streams that are asked of one runtime: each keeps files open while it is awake, and a process may have only so many. */
const AWAKE_STREAMS = 1_000;
/** Longer than a stream waits before it says again that it exists. */
const CATCH_UP_MS = 30_000;

/**
 * On a disk nearly all of the time is that of its `fsync`, several for each stream that comes or goes. A folder in memory survives
 * the end of a process as well.
 */
const ROOM = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const test = base.extend<{ data: string }>({
  // oxlint-disable-next-line no-empty-pattern
  data: async ({}, use) => {
    const folder = await mkdtemp(join(ROOM, "durable-stream-data-"));
    await use(folder);
    await rm(folder, { recursive: true, maxRetries: 3 });
  },
});

/** The epoch of each stream; undefined for one that does not exist. */
type Epochs = Map<string, string | undefined>;

/** Creates, deletes and creates again, each stream on its own, until the last of its calls is answered. */
class Load {
  readonly #uptime: Uptime;
  readonly #random: () => number;
  readonly #names: string[];
  #whenSteps: { steps: number; resolve: () => void }[] = [];
  /** What the last answer of each said. */
  readonly epochs: Epochs = new Map();
  steps = 0;

  constructor(uptime: Uptime, random: () => number) {
    this.#uptime = uptime;
    this.#random = random;
    this.#names = Array.from({ length: STREAMS }, (_, index) => `stream-${index}`);
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: SOCKETS }, () => this.#runSocket()));
  }

  /** Waits for so many steps. */
  until(steps: number): Promise<void> {
    return new Promise((resolve) => {
      this.#whenSteps.push({ steps, resolve });
    });
  }

  async #runSocket(): Promise<void> {
    const socket = { client: this.#uptime.connect() };
    await Promise.all(
      Array.from({ length: CALLS }, async () => {
        for (let name = this.#names.pop(); name !== undefined; name = this.#names.pop()) {
          const steps = 1 + Math.floor(this.#random() * MOST_STEPS);
          for (let step = 0; step < steps; step += 1) {
            await this.#take(socket, name, step % 2 === 0);
          }
        }
      }),
    );
    (await socket.client).terminate();
  }

  /** Creates or deletes a stream: again until it is answered. */
  async #take(socket: { client: Promise<Client> }, stream: string, isCreated: boolean): Promise<void> {
    for (;;) {
      const connecting = socket.client;
      const client = await connecting;
      try {
        if (isCreated) {
          const { epoch } = await client.call("publish", { stream, data: 1 });
          this.epochs.set(stream, epoch);
        } else {
          await client.call("deleteStream", { stream });
          this.epochs.set(stream, undefined);
        }
        break;
      } catch (error) {
        if (!(error instanceof CallError) && socket.client === connecting) {
          socket.client = this.#uptime.connect();
        }
      }
    }
    this.steps += 1;
    const due = this.#whenSteps.filter(({ steps }) => steps <= this.steps);
    this.#whenSteps = this.#whenSteps.filter(({ steps }) => steps > this.steps);
    due.forEach(({ resolve }) => resolve());
  }
}

async function listed(client: Client): Promise<Map<string, string>> {
  const epochs = new Map<string, string>();
  let after: string | undefined;
  do {
    const page = await client.call("listStreams", {
      limit: LIMITS.pageStreams,
      ...(after === undefined ? {} : { after }),
    });
    page.streams.forEach(({ stream, epoch }) => epochs.set(stream, epoch));
    ({ after } = page);
  } while (after !== undefined);
  return epochs;
}

/** What exists, as each stream says when it is asked: so many at a time as one runtime has room for in files that are open. */
async function existing(
  server: Server,
  connect: () => Promise<Client>,
  names: Iterable<string>,
): Promise<Map<string, string>> {
  const epochs = new Map<string, string>();
  const all = [...names];
  for (let at = 0; at < all.length; at += AWAKE_STREAMS) {
    if (at > 0) {
      await server.kill9();
      await server.start();
    }
    const client = await connect();
    const waiting = all.slice(at, at + AWAKE_STREAMS);
    await Promise.all(
      Array.from({ length: SOCKETS * CALLS }, async () => {
        for (let stream = waiting.pop(); stream !== undefined; stream = waiting.pop()) {
          const epoch = await epochOf(client, stream);
          if (epoch !== undefined) {
            epochs.set(stream, epoch);
          }
        }
      }),
    );
    client.terminate();
  }
  return epochs;
}

/** The epoch of a stream, as it says itself; undefined when it does not exist. */
async function epochOf(client: Client, stream: string): Promise<string | undefined> {
  for (;;) {
    try {
      return (await client.call("getStreamInfo", { stream })).epoch;
    } catch (error) {
      if (error instanceof CallError && error.code === ErrorCode.NotFound) {
        return undefined;
      }
      // So many streams come into memory at once that some do not answer in time.
      expect(error).toMatchObject({ code: ErrorCode.Unavailable });
    }
  }
}

/** Evicts the Directory and some streams, over and over: by steps, so that a slow machine does not do that alone. */
async function evictUntil(
  server: Server,
  random: () => number,
  { load, running }: { load: Load; running: Promise<void> },
): Promise<void> {
  const over = running.then(() => false);
  const due = async () => load.until(load.steps + STEPS_AN_EVICTION).then(() => true);
  while (await Promise.race([due(), over])) {
    if (server.isRunning) {
      const names = Array.from({ length: 4 }, () => `stream-${Math.floor(random() * STREAMS)}`);
      // One that a crash interrupts evicts nothing.
      await Promise.allSettled([server.evictDirectory(), ...names.map((name) => server.evictStream(name))]);
    }
  }
}

/** How two of them differ. */
function differences(one: Epochs | Map<string, string>, other: Map<string, string>): unknown[] {
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names].flatMap((name) =>
    one.get(name) === other.get(name) ? [] : [[name, one.get(name), other.get(name)]],
  );
}

test(
  `lists what exists of ${STREAMS} streams that were created, deleted and made again, under crashes and evictions`,
  { timeout: 60_000 + STREAMS * 200 },
  async ({ server, connect, annotate }) => {
    const random = randomOf(SEED);
    const uptime = new Uptime(server);
    const load = new Load(uptime, random);
    uptime.up();
    const running = load.run();
    const evicting = evictUntil(server, random, { load, running });

    for (let kill = 1; kill <= KILLS; kill += 1) {
      await Promise.race([load.until((STREAMS * MOST_STEPS * 0.6 * (kill - random())) / KILLS), running]);
      const killed = server.kill9();
      uptime.down();
      await killed;
      await server.start();
      uptime.up();
    }
    await running;
    await evicting;
    const lastSteps = load.steps;
    // One more, right after the last answers: of those streams nobody asks again.
    await server.kill9();
    await server.start();

    const client = await connect();
    await vi.waitFor(async () => expect(differences(load.epochs, await listed(client)).slice(0, 5)).toEqual([]), {
      timeout: CATCH_UP_MS,
      interval: 200,
    });
    client.terminate();
    const exists = await existing(server, connect, load.epochs.keys());
    await annotate(`seed ${SEED}: ${lastSteps} steps, ${exists.size} of ${STREAMS} streams exist`);
    expect(differences(exists, await listed(await connect())).slice(0, 5), `seed ${SEED}`).toEqual([]);
    expect(exists.size).toBeGreaterThan(STREAMS / 4);
    expect(exists.size).toBeLessThan((STREAMS * 3) / 4);
  },
);
