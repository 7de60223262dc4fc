import type { ListObjectsParams } from "../../rpc/index.ts";

import { invalid } from "./bytes.ts";

type Listing = Pick<ListObjectsParams, "prefix" | "delimiter">;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

const SUM_CHARACTERS = 8;

/**
 * The cursor for a caller: a checksum and the cursor of R2. R2 accepts malformed cursors and starts anywhere; the
 * checksum finds them. It is no protection, and needs to be none: a cursor shows nothing that the listing would not.
 */
export function toCallersCursor(cursor: string, listing: Listing): string {
  return sumOf(cursor, listing) + cursor;
}

/** The cursor of R2 in a caller's. @throws InvalidParams unless a page of this prefix and delimiter returned it. */
export function toBucketCursor(callers: string, listing: Listing): string {
  const cursor = callers.slice(SUM_CHARACTERS);
  if (toCallersCursor(cursor, listing) !== callers) {
    throw invalid("cursor", "must be the cursor of a page of the same prefix and delimiter");
  }
  return cursor;
}

/** FNV-1a of 32 bits, in hexadecimal digits. */
function sumOf(cursor: string, { prefix = "", delimiter = "" }: Listing): string {
  let sum = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(JSON.stringify([prefix, delimiter, cursor]))) {
    sum = Math.imul(sum ^ byte, FNV_PRIME) >>> 0;
  }
  return sum.toString(16).padStart(SUM_CHARACTERS, "0");
}
