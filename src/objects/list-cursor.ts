import { LIMITS } from "../../rpc/index.ts";
import type { ListObjectsParams } from "../../rpc/index.ts";

import { fromBase64Url, fromUtf8, invalid, toBase64Url } from "./bytes.ts";

type Listing = Pick<ListObjectsParams, "prefix" | "delimiter">;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

const SUM_CHARACTERS = 8;

/** The greatest characters of 4, 3, 2 and 1 bytes, in the order of UTF-8. */
const GREATEST = ["\u{10ffff}", "\uffff", "\u07ff", "\u007f"];

const UTF8 = new TextEncoder();

/**
 * The cursor for a caller: a checksum, and the last name of the page without the prefix of the listing, in base64url. That of
 * R2 has the whole key in it, and with it the prefix of a caller that has one. The checksum finds a cursor of another
 * listing. It is no protection, and needs to be none: a listing shows what begins with its prefix, wherever a page begins.
 *
 * @param last The key, or the group of keys, that is the last of the page.
 */
export function toCallersCursor(last: string, listing: Listing): string {
  const rest = last.slice(listing.prefix?.length ?? 0);
  return sumOf(rest, listing) + toBase64Url(UTF8.encode(rest));
}

/**
 * The key behind which the next page begins.
 *
 * @throws InvalidParams unless a page of this prefix and delimiter returned the cursor.
 */
export function startAfter(cursor: string, listing: Listing): string {
  const { prefix = "", delimiter } = listing;
  const rest = fromUtf8(fromBase64Url(cursor.slice(SUM_CHARACTERS))) ?? "";
  const last = prefix + rest;
  if (toCallersCursor(last, listing) !== cursor) {
    throw invalid("cursor", "must be the cursor of a page of the same prefix and delimiter");
  }
  // Of a key with the delimiter only the group was on the page, as far as the delimiter.
  return delimiter !== undefined && rest.includes(delimiter) ? greatestKey(last) : last;
}

/** The last key that may begin with a text. */
function greatestKey(start: string): string {
  let key = start;
  let left = Math.max(0, LIMITS.objectKeyBytes - UTF8.encode(start).byteLength);
  for (const character of GREATEST) {
    const { byteLength } = UTF8.encode(character);
    key += character.repeat(Math.floor(left / byteLength));
    left %= byteLength;
  }
  return key;
}

/** FNV-1a of 32 bits, in hexadecimal digits. */
function sumOf(rest: string, { prefix = "", delimiter = "" }: Listing): string {
  let sum = FNV_OFFSET;
  for (const byte of UTF8.encode(JSON.stringify([prefix, delimiter, rest]))) {
    sum = Math.imul(sum ^ byte, FNV_PRIME) >>> 0;
  }
  return sum.toString(16).padStart(SUM_CHARACTERS, "0");
}
