import { cpuMsOf } from "./processes.ts";

/** What one measure of a way gave. */
export type Outcome = {
  /** What was counted: messages, deliveries, clients. */
  readonly count: number;
  readonly ms: number;
  /** Microseconds that the server's processes worked for each of them. */
  readonly serverUs?: number;
  /** How much of one core the driver needed. */
  readonly driverShare: number;
  /** Milliseconds; of what is measured one at a time. */
  readonly p50?: number;
  readonly p99?: number;
  /** The figure of the workload, where it is neither the rate nor the time. */
  readonly figure?: number;
  /** Requests that were refused as too many at a time, and made again. */
  readonly repeated?: number;
  /** What a reader of the figure has to know. */
  readonly note?: string;
};

/** Measures work of this process and of a server. */
export class Meter {
  readonly #serverGroup: number;

  /** @param serverGroup The process group of the server. */
  constructor(serverGroup: number) {
    this.#serverGroup = serverGroup;
  }

  get serverGroup(): number {
    return this.#serverGroup;
  }

  /** @param work Returns how much it did. */
  async measure(work: () => Promise<number>): Promise<Outcome> {
    const serverBefore = cpuMsOf(this.#serverGroup);
    const driverBefore = process.cpuUsage();
    const start = performance.now();
    const count = await work();
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(driverBefore);
    const serverAfter = cpuMsOf(this.#serverGroup);
    return {
      count,
      ms,
      driverShare: (user + system) / 1000 / ms,
      ...(serverBefore === undefined || serverAfter === undefined
        ? {}
        : { serverUs: ((serverAfter - serverBefore) * 1000) / count }),
    };
  }
}

/** @param share From 0 to 1. @returns 0 of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
