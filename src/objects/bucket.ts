import { isRpcError, PAGE_DEFAULTS, RpcError } from "../../rpc/index.ts";
import type { ListObjectsParams, ListObjectsResult, ObjectInfo, PutObjectParams } from "../../rpc/index.ts";

import { toHex } from "./bytes.ts";
import { bucketConditions } from "./conditions.ts";
import { callBucket, refusalOf, streamToBucket } from "./failures.ts";
import { startAfter, toCallersCursor } from "./list-cursor.ts";
import { resolveRange, toBucketRange } from "./range.ts";
import type { ByteRange } from "./range.ts";

/** The content type of an object that was put without one. */
const UNKNOWN_TYPE = "application/octet-stream";

/**
 * The metadata key with the id of the upload attempt that put an object: by it an upload that crashed recognises its
 * own object. A caller can not set it, because of the dot, and is not shown it.
 */
export const UPLOAD_MARK = "durable-stream.upload";

const SHORT_PAGE_OBJECTS = 10;

/** What a put stores beside the body, and on which conditions. */
type PutOptions = {
  key: string;
  onlyIf: Headers;
  httpMetadata: R2HTTPMetadata;
  customMetadata: Record<string, string>;
  sha256?: string | undefined;
};

type PutBody = Uint8Array | ReadableStream | "";

/** An object of R2 as the contract describes it. */
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

/** The object that a read found. @throws NotFound when there is none. */
export function existing<T>(object: T | null): T {
  if (object === null) {
    throw new RpcError("NotFound", "no such object", { what: "object" });
  }
  return object;
}

/** An object's metadata; null when there is no object. */
export async function headObject(bucket: R2Bucket, key: string): Promise<R2Object | null> {
  return callBucket("reads", () => bucket.head(key));
}

/**
 * Opens an object, or a range of it.
 *
 * @returns The object without a body when `onlyIf` does not hold, or when the range is not within it.
 * @throws NotFound when there is none.
 */
export async function openObject(
  bucket: R2Bucket,
  key: string,
  { range, onlyIf }: { range?: ByteRange | undefined; onlyIf?: Headers },
): Promise<R2Object | R2ObjectBody> {
  const conditions = onlyIf === undefined ? {} : { onlyIf };
  return callBucket("reads", async () => {
    if (range === undefined) {
      return existing<R2Object | R2ObjectBody>(await bucket.get(key, conditions));
    }
    try {
      return existing<R2Object | R2ObjectBody>(await bucket.get(key, { ...conditions, range: toBucketRange(range) }));
    } catch (error) {
      if (isRpcError(error)) {
        throw error;
      }
      // The error for a range that is not within the object does not say how large the object is.
      const object = existing(await bucket.head(key));
      if (resolveRange(range, object.size) === undefined) {
        return object;
      }
      throw error;
    }
  });
}

/**
 * Puts an object.
 *
 * @param body A stream must be of known length: R2 takes no other.
 * @param isClients Whether a stream is a client's, which may go away.
 * @returns Null when `onlyIf` does not hold; nothing is stored then.
 */
export async function putIf(
  bucket: R2Bucket,
  { key, sha256, ...options }: PutOptions,
  body: PutBody,
  isClients = false,
): Promise<R2Object | null> {
  const put = () => bucket.put(key, body, sha256 === undefined ? options : { ...options, sha256 });
  return body instanceof ReadableStream ? streamToBucket(put, isClients) : callBucket("changes", put);
}

/**
 * Puts an object of a client, as {@link putIf}.
 *
 * @throws Conflict when `onlyIf` does not hold: `exists` and, if there is an object, its `etag`.
 */
export async function putObject(bucket: R2Bucket, options: PutOptions, body: PutBody): Promise<R2Object> {
  const object = await putIf(bucket, options, body, true);
  if (object === null) {
    throw unexpected(await headObject(bucket, options.key));
  }
  return object;
}

/** The options of a put, from the params of a method. */
export function putOptions(params: Omit<PutObjectParams, "data" | "encoding">): PutOptions {
  const { key, contentType, metadata = {}, sha256, ...conditions } = params;
  return {
    key,
    sha256,
    onlyIf: bucketConditions(conditions),
    httpMetadata: contentType === undefined ? {} : { contentType },
    customMetadata: metadata,
  };
}

/** Deletes objects; a key without an object is no error. */
export async function deleteObjects(bucket: R2Bucket, keys: string | string[]): Promise<void> {
  return callBucket("changes", () => bucket.delete(keys));
}

/** The Conflict of a put that expected something else than what the key has. */
export function unexpected(actual: R2Object | null): RpcError {
  return new RpcError("Conflict", "the object is not as expected", stateOf(actual));
}

/** What the data of an error say of a key: `exists` and, if there is an object, its `etag`. */
export function stateOf(actual: R2Object | null): { exists: false } | { exists: true; etag: string } {
  return actual === null ? { exists: false } : { exists: true, etag: actual.etag };
}

/**
 * Lists one page of objects. It fits a frame: the runtime takes at most 1 MiB from R2 for a listing, and the result is
 * smaller than that.
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
    options.startAfter = startAfter(params.cursor, params);
  }
  const page = await callBucket("reads", () => listOnceOrTwice(bucket, options));
  const result = { objects: page.objects.map(objectInfo), prefixes: page.delimitedPrefixes };
  return page.truncated ? { ...result, cursor: toCallersCursor(lastOf(page), params) } : result;
}

/** The key or the group of keys that is the last of a page, in the order of their UTF-8 bytes. */
function lastOf({ objects, delimitedPrefixes }: R2Objects): string {
  const [key = "", group = ""] = [objects.at(-1)?.key, delimitedPrefixes.at(-1)];
  if (key === "" && group === "") {
    throw new Error("a page of R2 is empty, and not the last");
  }
  const [bytes, others] = [new TextEncoder().encode(key), new TextEncoder().encode(group)];
  const at = bytes.findIndex((byte, index) => byte !== others[index]);
  return (bytes[at] ?? -1) > (others[at] ?? -1) ? key : group;
}

/** Lists again with a short page after a failure: long metadata can make the answer larger than the runtime takes. */
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
