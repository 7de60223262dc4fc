import { CONSUMER_DEFAULTS, LIMITS } from "../../../rpc/index.ts";
import type { ConsumerConfig, ConsumerInfo, CreateConsumerParams, UpdateConsumerParams } from "../../../rpc/index.ts";
import type { Start } from "../../internal/calls.ts";
import { RefusedError } from "../refuse.ts";

const FIELDS = ["from", "filter", "ackWaitMs", "maxDeliver", "maxInFlight", "backoffMs"] as const;

/** Changes of a config: a field that is left out stays as it is, null resets it to its default. */
export type ConsumerChanges = Omit<UpdateConsumerParams, "stream" | "consumer">;

/** The given config with defaults for what is left out. */
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

/** A config with some fields changed. */
export function changedConfig(config: ConsumerConfig, changes: ConsumerChanges): ConsumerConfig {
  return consumerConfig({
    from: config.from,
    filter: changed(config.filter, changes.filter),
    ackWaitMs: changed(config.ackWaitMs, changes.ackWaitMs),
    maxDeliver: changed(config.maxDeliver, changes.maxDeliver),
    maxInFlight: changed(config.maxInFlight, changes.maxInFlight),
    backoffMs: changed(config.backoffMs, changes.backoffMs),
  });
}

function changed<T>(value: T | undefined, change: T | null | undefined): T | undefined {
  return change === undefined ? value : (change ?? undefined);
}

/**
 * Conflict when two configs differ. Its data has the first field that differs (`what`), the existing value under that
 * field's name (an object as JSON text), and the method that changes it (`use`).
 *
 * @throws RefusedError
 */
export function expectSame(existing: ConsumerConfig, asked: ConsumerConfig): void {
  const what = FIELDS.find((field) => JSON.stringify(existing[field]) !== JSON.stringify(asked[field]));
  if (what === undefined) {
    return;
  }
  const actual = existing[what] ?? {};
  const plain = typeof actual === "object" ? JSON.stringify(actual) : actual;
  const use = what === "from" ? "seekConsumer" : "updateConsumer";
  const data = existing[what] === undefined ? { what, use } : { what, [what]: plain, use };
  throw new RefusedError("Conflict", "there is such a consumer, and it is another", data);
}

/** A random id: a consumer that is deleted and created again gets another one. */
export function newConsumerId(): number {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return random;
}

/** Adds to an info the part of the requested start that is deleted from the log. */
export function withSkipped(info: ConsumerInfo, skipped: Start["skipped"]): ConsumerInfo {
  return skipped === undefined ? info : { ...info, skipped };
}

/** LimitReached when there are as many as allowed already. Throws RefusedError. */
export function expectRoom(what: "consumers" | "consumerSubscriptions" | "consumerLeases", count: number): void {
  const limit = LIMITS[what];
  if (count >= limit) {
    throw new RefusedError("LimitReached", `too many: ${what}`, { what, limit });
  }
}
