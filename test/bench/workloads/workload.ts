import type { Driver } from "../driver/driver.ts";
import type { Meter, Outcome } from "../driver/meter.ts";

/** What a figure counts: things a second, or how much of something. */
export type Unit = "messages/s" | "deliveries/s" | "ms" | "bytes";

/** How much is done in a measure. */
export type Scale = {
  /** A part of the counts that the workloads name. */
  readonly share: number;
  /** A measure that would take longer does less. */
  readonly seconds: number;
};

/** Where a workload runs. */
export type Place = {
  readonly driver: Driver;
  readonly meter: Meter;
  /** A name for its streams that nobody has used. */
  readonly stream: string;
  readonly scale: Scale;
};

/** One line of the table. */
export type Workload = {
  readonly name: string;
  readonly unit: Unit;
  /** What a driver must be able to do for it. */
  readonly needs?: keyof Driver;
  /** The ways that it is run in; all when it is not given. */
  readonly ways?: readonly string[];
  /** Whether each measure has a server of its own: what others have left would be in the figure. */
  readonly isFresh?: true;
  readonly run: (place: Place) => Promise<Outcome>;
};

/** The ways that are not a client's. */
export const RAW: readonly string[] = ["frames", "batches", "raw", "one-row"];
/** Those of them, where what is published is not what is measured: a batch would be a frame. */
export const RAW_READS: readonly string[] = RAW.filter((way) => way !== "batches");
/** The same, and clients. */
export const READS: readonly string[] = [...RAW_READS, "client"];
/** This design with nothing else in it. */
export const BARE: readonly string[] = ["bare", "bare-batches"];
/** Sends frames and stores nothing. */
export const CEILING = "ceiling";

/** JSON text of a message's data of about so many bytes. */
export function dataOf(bytes: number): string {
  const head = { user: "a-typical-user-name", action: "updated", amount: 1234.56, note: "" };
  const note = "some text to fill it up. ".repeat(Math.ceil(bytes / 25));
  return JSON.stringify({ ...head, note: note.slice(0, bytes - JSON.stringify(head).length) });
}

/** The data of all messages whose size is not what is measured. */
export const DATA = dataOf(100);

/** How much is done in a measure of this scale, at least `least`. */
export function scaled(count: number, { share }: Scale, least = 1): number {
  return Math.max(least, Math.round(count * share));
}

/** How much can be done within the seconds of a scale, by what a trial did. */
export function affordable(wanted: number, { seconds }: Scale, trial: { count: number; ms: number }): number {
  return Math.max(1, Math.min(wanted, Math.round((trial.count * seconds * 1000) / trial.ms)));
}

/** How long some work took. @param work Returns how much it did. */
export async function tried(work: () => Promise<number>): Promise<{ count: number; ms: number }> {
  const start = performance.now();
  const count = await work();
  return { count, ms: performance.now() - start };
}

/** Works on a stream that is made before and deleted after. */
export async function withStream<T>({ driver, stream }: Place, work: () => Promise<T>): Promise<T> {
  await driver.create(stream);
  try {
    return await work();
  } finally {
    await driver.drop(stream);
  }
}

/** Waits for things that are counted as they come. */
export class Counter {
  #count = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #reached = Promise.withResolvers<void>();

  readonly add = (count: number): void => {
    this.#count += count;
    if (this.#count >= this.#wanted) {
      this.#reached.resolve();
    }
  };

  /** Waits until so many have come since the last time. */
  async next(wanted: number): Promise<void> {
    this.#reached = Promise.withResolvers();
    this.#wanted = wanted;
    this.add(0);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Error(`waited in vain for ${wanted}: ${this.#count} came`));
    }, PATIENCE_MS);
    try {
      await Promise.race([this.#reached.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
    this.#count -= wanted;
    this.#wanted = Number.POSITIVE_INFINITY;
  }
}

const PATIENCE_MS = 30_000;
