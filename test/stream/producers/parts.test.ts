import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, inject, it, vi } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";
import type { ProducerInfo } from "../../../rpc/index.ts";
import type { PublishCall } from "../../../src/internal/calls.ts";
import { addProducer, noProducers } from "../../../src/internal/producer-runs.ts";
import { evict } from "../../harness/objects.ts";

import type { Place } from "./model.ts";
import { accepted, answersOf, compare } from "./world.ts";
import type { StreamCalls } from "./world.ts";

const { modelRuns: MODEL_RUNS } = inject("lengths");
const RUNS = Math.ceil(MODEL_RUNS / 200);
const STREAM = "producers-parts";
/** More than stand in one part, and than memory holds. */
const PRODUCERS = 1_500;
const WINDOW_MS = 100_000;
const BEGIN_MS = 1_000_000;

/** What the model knows of a producer: where each message of its epoch is. */
type Known = { epoch: number; places: Place[] };

/** Ids of all lengths, some with what has a meaning where they are stored. */
const IDS = Array.from({ length: PRODUCERS }, (_, index) => {
  const odd = ['",[', '\\"],\n[', "é√😀", "]"][index % 16] ?? "";
  return `${odd}${index}-`.padEnd(index % 3 === 0 ? LIMITS.producerIdCharacters : 12, "x");
});

/** A stream with many producers, beside all that was ever stored of each. */
class ManyProducers {
  readonly #stub = env.STREAM.getByName(STREAM);
  readonly #stream: StreamCalls = this.#stub;
  #known = new Map<string, Known>();
  #last = 0;
  nowMs = BEGIN_MS;

  static async begin(): Promise<ManyProducers> {
    const many = new ManyProducers();
    await many.#stub.destroy(undefined);
    await many.#stub.configure({ stream: STREAM, producerWindowMs: WINDOW_MS });
    return many;
  }

  /** Publishes some messages of each producer. @param takesOver With the next epoch. */
  async publish(ids: readonly string[], count: number, takesOver: boolean): Promise<void> {
    const publishedAt = this.nowMs;
    await this.#send(
      ids.map((id) => {
        const known = this.#live(id);
        const isNew = known === undefined || takesOver;
        const epoch = (known?.epoch ?? 0) + (takesOver ? 1 : 0);
        const places = isNew ? [] : known.places;
        const sequence = places.length + 1;
        const answer = Array.from({ length: count }, (): Place => {
          this.#last += 1;
          return { sequence: this.#last, publishedAt, duplicate: false };
        });
        places.push(...answer);
        this.#known.set(id, { epoch, places });
        return { id, epoch, sequence, answer };
      }),
    );
  }

  /** Sends messages again that are stored, from some before the last on. */
  async repeat(ids: readonly string[], back: number, count: number): Promise<void> {
    await this.#send(
      ids.flatMap((id) => {
        const { epoch, places } = this.#live(id) ?? { epoch: 0, places: [] };
        const from = Math.max(0, places.length - 1 - back);
        const answer = places.slice(from, from + count).map((place) => ({ ...place, duplicate: true }));
        return answer.length === 0 ? [] : [{ id, epoch, sequence: from + 1, answer }];
      }),
    );
  }

  async trim(back: number): Promise<void> {
    await this.#stub.deleteMessages({ stream: STREAM, through: Math.max(1, this.#last - back) });
  }

  async evict(): Promise<void> {
    await evict(this.#stub);
  }

  passTime(ms: number): void {
    this.nowMs += ms;
    vi.setSystemTime(this.nowMs);
  }

  /** Compares what is told of each of them, one by one and in a list. */
  async check(ids: readonly string[]): Promise<void> {
    for (const producer of ids) {
      const info = accepted(await this.#stream.getProducer({ stream: STREAM, producer }));
      const { epoch: _epoch, ...told } = info ?? {};
      const unknown = { producer: { id: producer, epoch: 0, sequence: 0 } };
      compare(told, this.#infoOf(producer) ?? unknown, producer);
    }
    const listed: ProducerInfo[] = [];
    for (
      let [after, more]: [string | undefined, boolean] = [undefined, true];
      more;
      after = listed.at(-1)?.producer.id
    ) {
      const page = accepted(
        await this.#stream.listProducers({ stream: STREAM, ...(after === undefined ? {} : { after }) }),
      );
      listed.push(...(page?.producers ?? []));
      more = page?.more ?? false;
    }
    compare(
      listed,
      IDS.toSorted((a, b) => (a < b ? -1 : 1)).flatMap((id) => this.#infoOf(id) ?? []),
      "all producers",
    );
  }

  #live(id: string): Known | undefined {
    const known = this.#known.get(id);
    return known !== undefined && (known.places.at(-1)?.publishedAt ?? 0) > this.nowMs - WINDOW_MS ? known : undefined;
  }

  #infoOf(id: string): ProducerInfo | undefined {
    const known = this.#live(id);
    const { sequence: lastSequence = 0, publishedAt: lastPublishedAt = 0 } = known?.places.at(-1) ?? {};
    return (
      known && { producer: { id, epoch: known.epoch, sequence: known.places.length }, lastSequence, lastPublishedAt }
    );
  }

  async #send(requests: readonly { id: string; epoch: number; sequence: number; answer: Place[] }[]): Promise<void> {
    const call: PublishCall = { stream: STREAM, bodies: [], bytes: [], counts: [], producers: noProducers() };
    for (const [index, { id, epoch, sequence, answer }] of requests.entries()) {
      const { length } = answer;
      call.bodies.push(...Array<string>(length).fill('"data":1}'));
      call.bytes.push(...Array<number>(length).fill(9));
      call.counts.push(length);
      addProducer(call.producers ?? noProducers(), index, { id, epoch, sequence }, length);
    }
    compare(
      answersOf(await this.#stream.publish(call), call),
      requests.map(({ answer }) => answer),
      "where each message is",
    );
  }
}

/** Some of the producers: each so many-th from one on. */
const anyIds = fc.record({
  from: fc.nat(PRODUCERS - 1),
  step: fc.integer({ min: 1, max: 40 }),
  most: fc.constantFrom(1, 40, 1_500),
});

const anyStep = fc.record({
  kind: fc.constantFrom(
    "publish",
    "publish",
    "publish",
    "takeOver",
    "repeat",
    "repeat",
    "trim",
    "evict",
    "passTime",
    "check",
  ),
  ids: anyIds,
  count: fc.integer({ min: 1, max: 4 }),
  back: fc.nat(12),
});

afterEach(() => {
  vi.useRealTimers();
});

it(
  `finds each of ${PRODUCERS} producers and what it has stored in any of the parts, over ${RUNS} sequences of steps`,
  { timeout: 60_000 + 100 * MODEL_RUNS },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 20, maxLength: 40 }), async (steps) => {
        vi.setSystemTime(BEGIN_MS);
        const many = await ManyProducers.begin();
        for (const {
          kind,
          ids: { from, step, most },
          count,
          back,
        } of steps) {
          const ids = IDS.filter((_, index) => index >= from && (index - from) % step === 0).slice(0, most);
          await {
            publish: () => many.publish(ids, count, false),
            takeOver: () => many.publish(ids, count, true),
            repeat: () => many.repeat(ids, back, count),
            trim: () => many.trim(back * 50),
            evict: () => many.evict(),
            passTime: () => many.passTime(back * back * 300),
            check: () => many.check(ids.slice(0, 20)),
          }[kind]?.();
          many.passTime(1);
        }
        await many.evict();
        await many.repeat(IDS, 3, 4);
        await many.check(IDS.slice(0, 20));
      }),
      { numRuns: RUNS },
    );
  },
);
