import { RefusedError } from "../refuse.ts";

import type { Consumer } from "./consumer.ts";

/**
 * A lease is `<consumer id>.<holder>`. By the id, a lease of a deleted consumer is unknown to a new one of the same
 * name. The holder is short because the cursor stores it with its messages.
 */
const LEASE = /^(\d+)\.([0-9a-f]+)$/;
const HOLDER_CHARACTERS = 12;

/** A new lease of a consumer, and its holder. */
export function newLease(consumer: number): { lease: string; holder: string } {
  const holder = crypto.randomUUID().replaceAll("-", "").slice(-HOLDER_CHARACTERS);
  return { lease: `${consumer}.${holder}`, holder };
}

/** The holder of a lease of this consumer; NotFound for any other text. Throws RefusedError. */
export function leaseHolder(lease: string, consumer: number): string {
  const [, of, holder] = LEASE.exec(lease) ?? [];
  if (holder === undefined || of !== String(consumer)) {
    throw new RefusedError("NotFound", "no such lease of this consumer", { what: "lease" });
  }
  return holder;
}

/** The holders of a consumer's leases: holders in its cursor that are no subscription. */
export function leasesOf({ cursor, subscribers }: Consumer): string[] {
  return cursor.holders.filter((holder) => !subscribers.has(holder));
}
