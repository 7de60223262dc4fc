import type { DurableStream } from "../../rpc/client.ts";

import { CITIES, subjectOf } from "./cities.ts";
import type { City } from "./cities.ts";
import { Milestones } from "./milestones.ts";

/** The first ones are published one by one, the others in batches. */
export const SINGLES = 2_400;
export const BATCH_MESSAGES = 100;

const SINGLES_IN_FLIGHT = 32;
const BATCHES_IN_FLIGHT = 4;

/** Publishes all cities in their order, each with an id, so that any of it could be sent again. */
export class Publisher {
  readonly #client: DurableStream;
  readonly #stream: string;
  /** Up to which sequence they are acknowledged. */
  readonly published = new Milestones();

  constructor(client: DurableStream, stream: string) {
    this.#client = client;
    this.#stream = stream;
  }

  async run(): Promise<void> {
    const singles = CITIES.slice(0, SINGLES).entries();
    await inParallel(SINGLES_IN_FLIGHT, singles, ([index, city]) => this.publish(index, city));
    const batches = Array.from({ length: Math.ceil((CITIES.length - SINGLES) / BATCH_MESSAGES) }, (_, batch) => batch);
    await inParallel(BATCHES_IN_FLIGHT, batches.values(), (batch) => this.#publishBatch(batch));
  }

  /** Publishes one city. Again with the same index, it is a duplicate. */
  async publish(index: number, city: City): Promise<{ sequence: number; duplicate: boolean }> {
    const { sequence, duplicate } = await this.#client.publish({
      stream: this.#stream,
      id: `city-${index}`,
      subject: subjectOf(city),
      data: city,
    });
    this.published.reach(sequence);
    return { sequence, duplicate };
  }

  async #publishBatch(batch: number): Promise<void> {
    const first = SINGLES + batch * BATCH_MESSAGES;
    const { lastSequence } = await this.#client.publishBatch({
      stream: this.#stream,
      id: `batch-${batch}`,
      messages: CITIES.slice(first, first + BATCH_MESSAGES).map((city) => ({ subject: subjectOf(city), data: city })),
    });
    this.published.reach(lastSequence);
  }
}

/** Starts each item in turn, so many at a time. */
async function inParallel<T>(width: number, items: Iterator<T>, run: (item: T) => Promise<unknown>): Promise<void> {
  const work = async (): Promise<void> => {
    for (let next = items.next(); next.done !== true; next = items.next()) {
      await run(next.value);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
}
