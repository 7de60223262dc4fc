import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, inject } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { DurableStreamOptions, WebSocketConstructor } from "../../../rpc/client.ts";
import type { Message } from "../../../rpc/index.ts";

import { test } from "../server/fixtures.ts";
import { Proxy } from "../server/proxy.ts";
import { GATEWAY_SHARDS } from "../server/server.ts";
import type { Server } from "../server/server.ts";
import { randomOf } from "./loads/load.ts";
import { producerViolations } from "./histories/producer-history.ts";
import { crowdedSockets, Load, ProducerWriter, TwinProducer } from "./loads/producer-load.ts";

/** `PRODUCER_MESSAGES=2000000 PRODUCER_SEED=1 npm run test:long -- test/e2e/faults/producers.test.ts` for more, or the same again. */
const { producerMessages: MESSAGES } = inject("lengths");
const SEED = Number(process.env["PRODUCER_SEED"] ?? Date.now() % 1_000_000);

const STREAM = "producers";
/** So many messages take less than this, unless something stands still. */
const DISTURB_MS = 60_000 + MESSAGES * 3;
/** A disturbance comes this long after the one before, at most. */
const PAUSE_MS = 40;
const PUBLISH_TIMEOUT_MS = 60_000;

/** Of every hundred disturbances, so many are of each kind; the evictions are of a gateway, but for the last one. */
const DISTURBANCES = {
  cut: 25,
  cutWithin: 25,
  freeze: 15,
  kill: 3,
  takeOver: 10,
  close: 7,
  hibernate: 7,
  evictStream: 8,
};
type Disturbance = keyof typeof DISTURBANCES;

/** Clients of one producer with a name, each of which takes over from the one before while that one goes on. */
class Lineage {
  readonly writers: ProducerWriter[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #begin: (generation: number) => ProducerWriter;

  constructor(begin: (generation: number) => ProducerWriter) {
    this.#begin = begin;
  }

  /** Returns false while the newest has stored nothing yet: who takes over last must be who began last. */
  async takeOver(): Promise<boolean> {
    const newest = this.writers.at(-1);
    const isStored = await Promise.race([newest?.whenStored.then(() => true) ?? true, delay(PAUSE_MS, false)]);
    if (isStored) {
      const writer = this.#begin(this.writers.length + 1);
      this.writers.push(writer);
      this.#running.push(writer.run(4));
    }
    return isStored;
  }

  /** Waits until none of them publishes any more. */
  async whenOver(): Promise<void> {
    await Promise.all(this.#running);
  }
}

type World = {
  server: Server;
  proxy: Proxy;
  load: Load;
  writers: ProducerWriter[];
  lineage: Lineage;
  random: () => number;
  /** Tells whether the load was what it is meant to be. */
  isMet: () => boolean;
};

/** Disturbs the load until enough is stored and each kind was done once. */
async function disturb(world: World): Promise<Record<Disturbance, number>> {
  const { load, random, isMet } = world;
  const bag = Object.entries(DISTURBANCES).flatMap(([kind, share]) =>
    Array<Disturbance>(share).fill(kind as Disturbance),
  );
  const untried = new Set(bag);
  const done = { cut: 0, cutWithin: 0, freeze: 0, kill: 0, takeOver: 0, close: 0, hibernate: 0, evictStream: 0 };
  const endsBy = performance.now() + DISTURB_MS;
  while ((load.stored < MESSAGES || untried.size > 0 || !isMet()) && performance.now() < endsBy) {
    const [first] = untried;
    const kind = first ?? bag[Math.floor(random() * bag.length)] ?? "cut";
    if (await disturbances[kind](world)) {
      done[kind] += 1;
      untried.delete(kind);
    }
    await delay(random() * PAUSE_MS);
  }
  return done;
}

function victimOf({ proxy: { connections }, random }: World): (typeof connections)[number] | undefined {
  return connections[Math.floor(random() * connections.length)];
}

/** What each disturbance does; false when there was nothing to disturb. */
const disturbances: Record<Disturbance, (world: World) => boolean | Promise<boolean>> = {
  cut: (world) => {
    const victim = victimOf(world);
    victim?.cut();
    return victim !== undefined;
  },
  cutWithin: (world) => {
    const victim = victimOf(world);
    victim?.cut(1 + Math.floor(world.random() * 2_000));
    return victim !== undefined;
  },
  freeze: (world) => {
    const victim = victimOf(world);
    victim?.freeze();
    return victim !== undefined;
  },
  kill: async ({ server, writers }) => {
    await server.kill9();
    await Promise.all(writers.map((writer) => writer.expire()));
    await server.start();
    return true;
  },
  takeOver: ({ lineage }) => lineage.takeOver(),
  close: ({ server, random }) => server.evictGateway(Math.floor(random() * GATEWAY_SHARDS), "close"),
  hibernate: ({ server, random }) => server.evictGateway(Math.floor(random() * GATEWAY_SHARDS), "hibernate"),
  evictStream: ({ server, load }) => load.whilePaused(() => server.evictStream(STREAM)),
};

/** Clients that reconnect at once and find a dead socket soon. */
function clientOptions(url: string, token: string, WebSocket: WebSocketConstructor): DurableStreamOptions {
  return {
    url,
    token,
    WebSocket,
    reconnect: { leastMs: 5, mostMs: 100 },
    ping: { everyMs: 60, deadAfterMs: 250 },
    connectTimeoutMs: 1_000,
    answerTimeoutMs: 5_000,
    publishTimeoutMs: PUBLISH_TIMEOUT_MS,
  };
}

async function readLog(client: DurableStream): Promise<Message[]> {
  const log: Message[] = [];
  for (let from = 1, last = from; from <= last;) {
    const page = await client.getMessages({ stream: STREAM, from: { sequence: from } });
    log.push(...page.messages);
    [from, last] = [page.nextSequence, page.lastSequence];
  }
  return log;
}

describe("producers whose server, sockets and stream fail again and again", () => {
  test(
    `lose, repeat and turn round none of ${MESSAGES} messages`,
    { timeout: DISTURB_MS + PUBLISH_TIMEOUT_MS + 60_000 },
    async ({ server, annotate }) => {
      await using proxy = await Proxy.to(server.url);
      const random = randomOf(SEED);
      const load = new Load(STREAM);
      const refusals = { busy: 0, rateLimited: 0 };
      const options = clientOptions(proxy.url, server.apiKey, crowdedSockets(random, refusals));
      const writers = ["one", "two"].map((by) => {
        return new ProducerWriter(new DurableStream(options), load, { by, generation: 1, random });
      });
      const lineage = new Lineage((generation) => {
        const client = new DurableStream({ ...options, producer: "pump" });
        return new ProducerWriter(client, load, { by: "pump", generation, random });
      });
      const twin = new TwinProducer({ url: proxy.url, apiKey: server.apiKey }, load, random);

      await lineage.takeOver();
      const running = [...writers.map((writer) => writer.run(12)), twin.run()];
      const met = () => ({
        ...refusals,
        refusedZombies: twin.refusedZombies,
        repeated: twin.repeated,
        takenOver: lineage.writers.filter(({ failures }) => failures.has("Conflict")).length,
        unknown: writers.filter(({ failures }) => failures.has("OutcomeUnknown")).length,
        expired: writers.filter(({ failures }) => failures.has("Unavailable")).length,
      });
      const isMet = () => Object.values(met()).every((count) => count > 0);
      const done = await disturb({ server, proxy, load, writers, lineage, random, isMet });
      load.isOver = true;
      await Promise.all([...running, lineage.whenOver()]);
      await using direct = new DurableStream({ url: server.url, token: server.apiKey });
      const log = await readLog(direct);
      const clients = [...writers, ...lineage.writers].map(({ client }) => client);
      await Promise.all(clients.map((client) => client.close()));

      await annotate(`seed ${SEED}: ${JSON.stringify({ stored: load.stored, log: log.length, done, ...met() })}`);
      expect(producerViolations(load.told, log).slice(0, 20), `seed ${SEED}`).toEqual([]);
      // The load was what it is meant to be.
      expect(load.stored).toBeGreaterThanOrEqual(MESSAGES);
      expect(Object.entries(done).filter(([, count]) => count === 0)).toEqual([]);
      expect(Object.entries(met()).filter(([, count]) => count === 0)).toEqual([]);
      const failures = [...writers, ...lineage.writers].flatMap((writer) => [...writer.failures.keys()]);
      expect(new Set(failures)).toEqual(new Set(["Unavailable", "OutcomeUnknown", "Conflict"]));
    },
  );
});
