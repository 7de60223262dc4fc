import type { DeliveryPusher } from "./pusher.ts";
import type { Log } from "../log/log.ts";

/** What the consumers need of their stream. */
export type CoordinatorHost = {
  /** The life of the stream. */
  readonly epoch: string;
  readonly log: Log;
  readonly pusher: DeliveryPusher;
  /** Runs a change in one transaction that ends with `ConsumerCoordinator.save`. */
  change<T>(act: () => T): T;
  /** Has `ConsumerCoordinator.deliverDue` called at that time or before. */
  wakeBy(atMs: number, nowMs: number): void;
};
