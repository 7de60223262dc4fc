import { invalid } from "./bytes.ts";
import { inBucketRange, readHttpDate } from "./http-date.ts";

/** One tag of a list (RFC 9110 section 8.8.3). */
type EntityTag = { value: string; isWeak: boolean };

/** `*`: any version. */
type EntityTags = "*" | readonly EntityTag[];

/** The conditions of a request that apply: tags take precedence over dates (RFC 9110 section 13.2.2). */
export type Conditions = {
  ifMatch?: EntityTags;
  ifNoneMatch?: EntityTags;
  ifModifiedSince?: Date;
  ifUnmodifiedSince?: Date;
};

/** Conditions in the params of a method. */
type TagParams = { ifMatch?: string | undefined; ifNoneMatch?: string | undefined };

const SECOND_MS = 1_000;

const ENTITY_TAG = /^(W\/)?"([\x21\x23-\x7e]*)"$/;

/** Splits a list at commas outside quotes. */
const LIST_ELEMENT = /(?:[^",]|"[^"]*")+/g;

/**
 * Reads the conditions of a request.
 *
 * @throws InvalidParams for a malformed list of tags. A malformed date is ignored (RFC 9110 section 13.1.3).
 */
export function readConditions(headers: Headers): Conditions {
  const conditions: Conditions = {};
  const ifMatch = readTags(headers, "If-Match");
  const ifNoneMatch = readTags(headers, "If-None-Match");
  const ifModifiedSince = readDate(headers, "If-Modified-Since");
  const ifUnmodifiedSince = readDate(headers, "If-Unmodified-Since");
  if (ifMatch !== undefined) {
    conditions.ifMatch = ifMatch;
  } else if (ifUnmodifiedSince !== undefined) {
    conditions.ifUnmodifiedSince = ifUnmodifiedSince;
  }
  if (ifNoneMatch !== undefined) {
    conditions.ifNoneMatch = ifNoneMatch;
  } else if (ifModifiedSince !== undefined) {
    conditions.ifModifiedSince = ifModifiedSince;
  }
  return conditions;
}

/** Tests conditions on an object: `met`, 304 (the caller has this version) or 412 (the caller expects another). */
export function testConditions(conditions: Conditions, { etag, uploaded }: R2Object): "met" | 304 | 412 {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  // HTTP dates have whole seconds.
  const uploadedMs = Math.floor(uploaded.getTime() / SECOND_MS) * SECOND_MS;
  if (ifMatch !== undefined && !hasTag(ifMatch, etag, "strong")) {
    return 412;
  }
  if (ifUnmodifiedSince !== undefined && uploadedMs > ifUnmodifiedSince.getTime()) {
    return 412;
  }
  if (ifNoneMatch !== undefined && hasTag(ifNoneMatch, etag, "weak")) {
    return 304;
  }
  return ifModifiedSince !== undefined && uploadedMs <= ifModifiedSince.getTime() ? 304 : "met";
}

/** The tag conditions for R2, which evaluates them atomically with the operation. */
export function tagHeaders(conditions: Conditions): Headers {
  const headers = new Headers();
  if (conditions.ifMatch !== undefined) {
    headers.set("If-Match", formatTags(conditions.ifMatch));
  }
  if (conditions.ifNoneMatch !== undefined) {
    headers.set("If-None-Match", formatTags(conditions.ifNoneMatch));
  }
  return headers;
}

/** The conditions of a put for R2. If-Modified-Since applies to reads only. */
export function putHeaders(conditions: Conditions): Headers {
  const headers = tagHeaders(conditions);
  if (conditions.ifUnmodifiedSince !== undefined) {
    // R2 requires the object to be older than the date; HTTP also allows the same time.
    const after = new Date(conditions.ifUnmodifiedSince.getTime() + SECOND_MS);
    headers.set("If-Unmodified-Since", inBucketRange(after).toUTCString());
  }
  return headers;
}

/** The conditions of a method's params for R2. */
export function bucketConditions(params: TagParams): Headers {
  return tagHeaders(conditionsOf(params));
}

/** Tells whether the conditions of a method's params hold for what the key has; null when it has no object. */
export function areMet(params: TagParams, object: R2Object | null): boolean {
  return object === null ? params.ifMatch === undefined : testConditions(conditionsOf(params), object) === "met";
}

/** The condition that a key still has this object, or none for null. R2 compares etags, so equal bytes are equal. */
export function stillHolds(object: R2Object | null): Headers {
  return bucketConditions(object === null ? { ifNoneMatch: "*" } : { ifMatch: object.etag });
}

/**
 * Evaluates If-Range (RFC 9110 section 13.1.5): true when it is absent or is the object's etag. A date never matches:
 * an object can change twice within its second, so a date is no strong validator (section 8.8.2.2).
 */
export function isSameVersion(ifRange: string | null, { etag }: R2Object): boolean {
  return ifRange === null || ifRange.trim() === `"${etag}"`;
}

function conditionsOf(params: TagParams): Conditions {
  const conditions: Conditions = {};
  if (params.ifMatch !== undefined) {
    conditions.ifMatch = oneTag(params.ifMatch);
  }
  if (params.ifNoneMatch !== undefined) {
    conditions.ifNoneMatch = oneTag(params.ifNoneMatch);
  }
  return conditions;
}

function oneTag(etag: string): EntityTags {
  return etag === "*" ? "*" : [{ value: etag, isWeak: false }];
}

function readTags(headers: Headers, name: "If-Match" | "If-None-Match"): EntityTags | undefined {
  const header = headers.get(name)?.trim();
  if (header === undefined || header === "*") {
    return header;
  }
  const tags = (header.match(LIST_ELEMENT) ?? []).map((element) => {
    const [, weak, value] = ENTITY_TAG.exec(element.trim()) ?? [];
    if (value === undefined) {
      throw invalid(name, 'must be * or a list of etags in quotes, like "abc"');
    }
    return { value, isWeak: weak !== undefined };
  });
  if (tags.length === 0) {
    throw invalid(name, "must not be empty");
  }
  return tags;
}

function readDate(headers: Headers, name: "If-Modified-Since" | "If-Unmodified-Since"): Date | undefined {
  const header = headers.get(name);
  return header === null ? undefined : readHttpDate(header);
}

/** Compares tags (RFC 9110 section 8.8.3.2); in a strong comparison a weak tag never matches. */
function hasTag(tags: EntityTags, etag: string, comparison: "strong" | "weak"): boolean {
  return tags === "*" || tags.some(({ value, isWeak }) => value === etag && !(isWeak && comparison === "strong"));
}

function formatTags(tags: EntityTags): string {
  return tags === "*" ? "*" : tags.map(({ value, isWeak }) => `${isWeak ? "W/" : ""}"${value}"`).join(", ");
}
