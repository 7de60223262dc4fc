/** A range of bytes: from `first` to `last`, both included, or to the end; or the last `suffix` bytes. */
export type ByteRange = { first: number; last?: number } | { suffix: number };

/** `length` bytes of an object from `offset` on. */
export type Span = { offset: number; length: number };

const ONE_RANGE = /^bytes=\s*(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))\s*$/i;

/**
 * Parses a Range header (RFC 9110 section 14.2). Several ranges, other units and malformed headers are ignored, as HTTP
 * allows: the caller gets the whole with the status 200.
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

/** The bytes that a range selects of an object of `size` bytes; undefined when there are none. */
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
 * Tells whether a range is a suffix of an empty object: it is satisfiable (RFC 9110 section 14.1.2), but no
 * Content-Range can express it.
 */
export function isAllOfNothing(range: ByteRange, size: number): boolean {
  return size === 0 && "suffix" in range && range.suffix > 0;
}

/** The range for R2. */
export function toBucketRange(range: ByteRange): R2Range {
  if ("suffix" in range) {
    return range;
  }
  return range.last === undefined
    ? { offset: range.first }
    : { offset: range.first, length: range.last - range.first + 1 };
}
