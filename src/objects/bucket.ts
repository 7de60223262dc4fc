import { PAGE_DEFAULTS, RpcError } from "../../rpc/index.ts";
import type { ListObjectsParams, ListObjectsResult, ObjectInfo, PutObjectParams } from "../../rpc/index.ts";

import { toHex } from "./bytes.ts";
import { bucketConditions } from "./conditions.ts";
import { toBucketCursor, toCallersCursor } from "./list-cursor.ts";
import { callBucket, refusalOf } from "./failures.ts";

/** What an object is served as when nobody said what it is. */
const UNKNOWN_TYPE = "application/octet-stream";

/**
 * The name, in an object's custom metadata, of which try of which upload put it: how an upload finds out, after a crash,
 * that it has stored its object. No caller's metadata has such a name, for the dot, and no caller is shown it.
 */
export const UPLOAD_MARK = "durable-stream.upload";

const SHORT_PAGE_OBJECTS = 10;

/** What the contract says of an object of R2. */
export function objectInfo(object: R2Object): ObjectInfo {
  const { [UPLOAD_MARK]: _mark, ...metadata } = object.customMetadata ?? {};
  const info = {
    key: object.key,
    size: object.size,
    etag: object.etag,
    uploadedAt: object.uploaded.getTime(),
    contentType: object.httpMetadata?.contentType ?? UNKNOWN_TYPE,
    metadata,
  };
  const { sha256 } = object.checksums;
  return sha256 === undefined ? info : { ...info, sha256: toHex(sha256) };
}

/** The object of a read. @throws NotFound when there is none. */
export function existing<T>(object: T | null): T {
  if (object === null) {
    throw new RpcError("NotFound", "no such object", { what: "object" });
  }
  return object;
}

/** Stores a body as an object; a stream must be of known length, as R2 has it. */
export async function putBody(
  bucket: R2Bucket,
  { key, contentType, metadata = {}, ...conditions }: Omit<PutObjectParams, "data" | "encoding">,
  body: Uint8Array | ReadableStream,
): Promise<ObjectInfo> {
  const object = await bucket.put(key, body, {
    onlyIf: bucketConditions(conditions),
    httpMetadata: contentType === undefined ? {} : { contentType },
    customMetadata: metadata,
    ...(conditions.sha256 === undefined ? {} : { sha256: conditions.sha256 }),
  });
  return objectInfo(await stored(bucket, key, object));
}

/**
 * What a conditional put stored.
 *
 * @throws Conflict when the conditions did not hold: `exists` and, if there is an object, its `etag`.
 */
export async function stored(bucket: R2Bucket, key: string, object: R2Object | null): Promise<R2Object> {
  if (object !== null) {
    return object;
  }
  throw unexpected(await callBucket("reads", () => bucket.head(key)));
}

/** The error for an object, or none, that is not what a put expects. */
export function unexpected(actual: R2Object | null): RpcError {
  return new RpcError("Conflict", "the object is not as expected", stateOf(actual));
}

/** What an error says of what there is: `exists` and, if there is an object, its `etag`. */
export function stateOf(actual: R2Object | null): { exists: false } | { exists: true; etag: string } {
  return actual === null ? { exists: false } : { exists: true, etag: actual.etag };
}

/**
 * One page of the objects. It fits a frame: the runtime takes at most 1 MiB of what R2 answers to a listing, and what
 * is left of that here is less.
 */
export async function listObjects(bucket: R2Bucket, params: ListObjectsParams): Promise<ListObjectsResult> {
  const options: R2ListOptions = {
    limit: params.limit ?? PAGE_DEFAULTS.listObjects,
    include: ["httpMetadata", "customMetadata"],
  };
  for (const name of ["prefix", "delimiter"] as const) {
    if (params[name] !== undefined) {
      options[name] = params[name];
    }
  }
  if (params.cursor !== undefined) {
    options.cursor = toBucketCursor(params.cursor, params);
  }
  const page = await callBucket("reads", () => listOnceOrTwice(bucket, options));
  const result = { objects: page.objects.map(objectInfo), prefixes: page.delimitedPrefixes };
  return page.truncated ? { ...result, cursor: toCallersCursor(page.cursor, params) } : result;
}

/** A read may be repeated; and where the answer was too long for the runtime, because metadata is, a short page is not. */
async function listOnceOrTwice(bucket: R2Bucket, options: R2ListOptions): Promise<R2Objects> {
  try {
    return await bucket.list(options);
  } catch (error) {
    if (refusalOf(error) !== undefined) {
      throw error;
    }
    return bucket.list({ ...options, limit: Math.min(options.limit ?? SHORT_PAGE_OBJECTS, SHORT_PAGE_OBJECTS) });
  }
}
