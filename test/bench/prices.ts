import type { Counters } from "./workers/counters.ts";

/**
 * What Cloudflare asks on the paid plan beyond what it includes, in dollars, as published on
 * https://developers.cloudflare.com/durable-objects/platform/pricing, read on 2026-11-28.
 */
export const PRICES = {
  asOf: "2026-11-28",
  /** A call of an object, a handshake, or an alarm. */
  request: 0.15 / 1e6,
  /** Frames from clients that are one request. */
  framesOfRequest: 20,
  /** A second of an object that is awake, for each GB of its memory. */
  gbSecond: 12.5 / 1e6,
  /** What an object is billed for, whatever it uses. */
  objectGb: 0.128,
  rowRead: 0.001 / 1e6,
  /** Also for each row of an index, and for an alarm that is set. */
  rowWritten: 1 / 1e6,
  /** A GB that is kept for a month. */
  storedGbMonth: 0.2,
} as const;

/** What was used: what was counted, and for how long objects were awake in all. */
export type Use = Pick<Counters, "rowsRead" | "rowsWritten" | "calls" | "framesIn" | "alarms"> & { awakeMs: number };

/** What that costs in dollars, without what a plan includes. */
export function dollarsOf(use: Use): number {
  const requests = use.calls + use.alarms + use.framesIn / PRICES.framesOfRequest;
  return (
    requests * PRICES.request +
    (use.awakeMs / 1000) * PRICES.objectGb * PRICES.gbSecond +
    use.rowsRead * PRICES.rowRead +
    use.rowsWritten * PRICES.rowWritten
  );
}
