import type { ConsumerCourier } from "./pusher.ts";
import type { Log } from "../log/log.ts";

/** What the consumers need of their stream. */
export type DeskHost = {
  /** The life of the stream. */
  readonly epoch: string;
  readonly log: Log;
  readonly courier: ConsumerCourier;
  /** Runs a change in one transaction that ends with `ConsumerDesk.save`. */
  change<T>(act: () => T): T;
  /** Has `ConsumerDesk.serve` called at that time or before. */
  wakeBy(atMs: number, nowMs: number): void;
};
