import type { Consumer } from "./consumer.ts";
import { RefusedError } from "../refuse.ts";

/**
 * A lease names the consumer it is of, so that one from before a consumer was deleted and made again settles nothing,
 * and its holder at the cursor, short because it is stored with what it holds.
 */
const LEASE = /^(\d+)\.([0-9a-f]+)$/;
const HOLDER_CHARACTERS = 12;

/** A lease of a consumer that was never given before, and the holder that it stands for. */
export function newLease(consumer: number): { lease: string; holder: string } {
  const holder = crypto.randomUUID().replaceAll("-", "").slice(-HOLDER_CHARACTERS);
  return { lease: `${consumer}.${holder}`, holder };
}

/** The holder that a lease of this consumer stands for; NotFound for any other text. */
export function leaseHolder(lease: string, consumer: number): string {
  const [, of, holder] = LEASE.exec(lease) ?? [];
  if (holder === undefined || of !== String(consumer)) {
    throw new RefusedError("NotFound", "no such lease of this consumer", { what: "lease" });
  }
  return holder;
}

/** The holders of a consumer's leases: everyone who was given something and is no subscription. */
export function leasesOf({ cursor, subscribers }: Consumer): string[] {
  return cursor.holders.filter((holder) => !subscribers.has(holder));
}
