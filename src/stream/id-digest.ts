/** The key of the digests of one stream: with it unknown, nobody can choose ids whose digests are the same. */
export type DigestKey = { low: number; high: number };

/** A key that nobody can guess. */
export function newDigestKey(): DigestKey {
  const [low = 0, high = 0] = crypto.getRandomValues(new Uint32Array(2));
  return { low, high };
}

/** Rounds after the last word. */
const FINAL_ROUNDS = 3;

/**
 * A digest of 32 bits: HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") over the UTF-16 units
 * of an id, two to a word; the last word has the length. Runs for each id that is published: one loop, numbers only.
 */
export function digestOf(id: string, { low, high }: DigestKey): number {
  const { length } = id;
  const finalAt = (length & ~1) + 2;
  let v0 = low;
  let v1 = high;
  let v2 = 0x6c796765 ^ low;
  let v3 = 0x74656462 ^ high;
  for (let at = 0; at < finalAt + 2 * FINAL_ROUNDS; at += 2) {
    let word = 0;
    if (at + 1 < length) {
      word = id.charCodeAt(at) | (id.charCodeAt(at + 1) << 16);
    } else if (at < finalAt) {
      word = (at < length ? id.charCodeAt(at) : 0) | (length << 16);
    } else if (at === finalAt) {
      v2 ^= 0xff;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
