import { CONSUMER_DEFAULTS, LIMITS } from "../../rpc/index.ts";
import type { ConsumerConfig, ConsumerInfo, CreateConsumerParams } from "../../rpc/index.ts";
import type { Start } from "../calls.ts";

import { RefusedError } from "./refuse.ts";

const FIELDS = ["from", "filter", "ackWaitMs", "maxDeliver", "maxInFlight", "backoffMs"] as const;

/** The whole config of a consumer, from what was given. */
export function consumerConfig(given: Omit<CreateConsumerParams, "stream" | "consumer">): ConsumerConfig {
  return {
    from: given.from ?? CONSUMER_DEFAULTS.from,
    ...(given.filter === undefined ? {} : { filter: given.filter }),
    ackWaitMs: given.ackWaitMs ?? CONSUMER_DEFAULTS.ackWaitMs,
    maxDeliver: given.maxDeliver ?? CONSUMER_DEFAULTS.maxDeliver,
    maxInFlight: given.maxInFlight ?? CONSUMER_DEFAULTS.maxInFlight,
    backoffMs: [...(given.backoffMs ?? CONSUMER_DEFAULTS.backoffMs)],
  };
}

/** Throws Conflict when they differ: `what` does first and, under its name, what it is (JSON text of an object). */
export function expectSame(existing: ConsumerConfig, asked: ConsumerConfig): void {
  const what = FIELDS.find((field) => JSON.stringify(existing[field]) !== JSON.stringify(asked[field]));
  if (what === undefined) {
    return;
  }
  const actual = existing[what] ?? {};
  const plain = typeof actual === "object" ? JSON.stringify(actual) : actual;
  const data = existing[what] === undefined ? { what } : { what, [what]: plain };
  throw new RefusedError("Conflict", "the consumer was made to be another", data);
}

/** Random: a consumer made anew is another one. */
export function newConsumerId(): number {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return random;
}

/** What a call that places a consumer tells, with what of that is deleted. */
export function withSkipped(info: ConsumerInfo, skipped: Start["skipped"]): ConsumerInfo {
  return skipped === undefined ? info : { ...info, skipped };
}

/** Throws LimitReached when there are as many as there may be. */
export function expectRoom(what: "consumers" | "consumerSubscriptions" | "consumerLeases", count: number): void {
  const limit = LIMITS[what];
  if (count >= limit) {
    throw new RefusedError("LimitReached", `too many: ${what}`, { what, limit });
  }
}
