/** What a Range header asks for: from `first`, to `last` or the end, or the last `suffix` bytes. */
export type ByteRange = { first: number; last?: number } | { suffix: number };

/** Bytes of an object: from `offset`, so many. */
export type Span = { offset: number; length: number };

const ONE_RANGE = /^bytes=\s*(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))\s*$/i;

/**
 * Reads a Range header (RFC 9110 section 14.2). Several ranges, other units and what is no range are ignored, as HTTP
 * allows: the caller gets the whole and sees it by the status.
 */
export function readRange(header: string | null): ByteRange | undefined {
  const [, first, last, suffix] = ONE_RANGE.exec(header ?? "") ?? [];
  if (suffix !== undefined) {
    return { suffix: Number(suffix) };
  }
  if (first === undefined) {
    return undefined;
  }
  if (last === undefined) {
    return { first: Number(first) };
  }
  return Number(last) < Number(first) ? undefined : { first: Number(first), last: Number(last) };
}

/** The bytes that a range means of an object of `size` bytes; undefined when there are none. */
export function resolveRange(range: ByteRange, size: number): Span | undefined {
  if ("suffix" in range) {
    const length = Math.min(range.suffix, size);
    return length === 0 ? undefined : { offset: size - length, length };
  }
  if (range.first >= size) {
    return undefined;
  }
  const last = Math.min(range.last ?? size - 1, size - 1);
  return { offset: range.first, length: last - range.first + 1 };
}

/**
 * Tells whether a range means all of an empty object: its last so many bytes are satisfiable (RFC 9110 section 14.1.2),
 * though no Content-Range can say them.
 */
export function isAllOfNothing(range: ByteRange, size: number): boolean {
  return size === 0 && "suffix" in range && range.suffix > 0;
}

/** A range as R2 takes it. */
export function toBucketRange(range: ByteRange): R2Range {
  if ("suffix" in range) {
    return range;
  }
  return range.last === undefined
    ? { offset: range.first }
    : { offset: range.first, length: range.last - range.first + 1 };
}
