import type { Consumer } from "./consumer.ts";

/**
 * A lease names the consumer it is of, so that one from before a consumer was deleted and made again settles nothing,
 * and its holder at the cursor, short because it is stored with what it holds.
 */
const LEASE = /^(\d+)\.([0-9a-f]+)$/;
const HOLDER_CHARACTERS = 12;

/** A lease of a consumer that was never given before. */
export function newLease(consumer: number): string {
  return `${consumer}.${crypto.randomUUID().replaceAll("-", "").slice(-HOLDER_CHARACTERS)}`;
}

/** The holder that a lease of this consumer stands for; undefined for any other text. */
export function leaseHolder(lease: string, consumer: number): string | undefined {
  const [, of, holder] = LEASE.exec(lease) ?? [];
  return of === String(consumer) ? holder : undefined;
}

/** The holders of a consumer's leases: everyone who was given something and is no subscription. */
export function leasesOf({ cursor, subscribers }: Consumer): string[] {
  return cursor.holders.filter((holder) => !subscribers.has(holder));
}
