import { ALTERNATIVES, LIMITS, RpcError } from "../../rpc/index.ts";
import type { Encoding, GetObjectParams, GetObjectResult } from "../../rpc/index.ts";
import { withBodyInMemory } from "../objects/body-budget.ts";
import { existing, listObjects, objectInfo, putBody } from "../objects/bucket.ts";
import { decodeBody, encodeBody, invalid } from "../objects/bytes.ts";
import { callBucket } from "../objects/failures.ts";
import { resolveRange } from "../objects/range.ts";
import { JsonText } from "../internal/json-text.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import { withDeadline } from "../platform/call-object.ts";

import type { Handlers } from "./context.ts";

/** Room in a frame for what stands around a result, the caller's id above all. */
const ENVELOPE_BYTES = 1_024;

export const objectHandlers: Handlers<"headObject" | "getObject" | "putObject" | "deleteObject" | "listObjects"> = {
  headObject: async ({ key }, { env }) =>
    objectInfo(existing(await callBucket("reads", () => withDeadline(env.BUCKET.head(key))))),

  getObject: async (params, { env }) => callBucket("reads", () => withDeadline(read(env.BUCKET, params))),

  putObject: async ({ data, encoding, ...params }, { env }) =>
    withBody({ data, encoding }, (body) =>
      callBucket("changes", () => withDeadline(putBody(env.BUCKET, params, body))),
    ),

  deleteObject: async (params, { env }) => {
    const keys = "key" in params ? params.key : params.keys;
    await callBucket("changes", () => withDeadline(env.BUCKET.delete(keys)));
    return {};
  },

  listObjects: async (params, { env }) => callBucket("reads", () => withDeadline(listObjects(env.BUCKET, params))),
};

/**
 * Runs work with the bytes of a body in a call.
 *
 * @throws TooLarge beyond what a call may carry, with what to use instead; Busy when there are too many at once.
 */
export async function withBody<T>(
  { data, encoding }: { data: string; encoding: Encoding | undefined },
  work: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  return withBodyInMemory(data.length, async () => {
    const body = decodeBody(data, encoding);
    if (body.byteLength > LIMITS.objectBodyBytes) {
      throw tooLarge(body.byteLength, ALTERNATIVES.putObject);
    }
    return work(body);
  });
}

/** An object's body as a stream, of any size, with what is known of it. */
export async function openBody(bucket: R2Bucket, { key, range }: Pick<GetObjectParams, "key" | "range">) {
  const object = await open(bucket, key, range);
  const span = range === undefined ? undefined : resolveRange(toBytes(range), object.size);
  return { ...objectInfo(object), data: object.body, ...(span === undefined ? {} : { range: span }) };
}

async function read(bucket: R2Bucket, { key, range, encoding }: GetObjectParams): Promise<JsonText> {
  if (range !== undefined && range.length > LIMITS.objectBodyBytes) {
    throw tooLarge(range.length, ALTERNATIVES.getObject);
  }
  const object = await open(bucket, key, range);
  const span = range === undefined ? undefined : resolveRange(toBytes(range), object.size);
  if (span === undefined && object.size > LIMITS.objectBodyBytes) {
    await object.body.cancel();
    throw tooLarge(object.size, ALTERNATIVES.getObject);
  }
  const info = { ...objectInfo(object), ...(span === undefined ? {} : { range: span }) };
  try {
    return await withBodyInMemory(span?.length ?? object.size, async () =>
      answer(info, await object.bytes(), encoding),
    );
  } catch (error) {
    if (!object.bodyUsed) {
      await object.body.cancel();
    }
    throw error;
  }
}

/** The answer as JSON text. Text that is mostly quotes, breaks or the like grows when it is escaped: then it is base64. */
function answer(info: Omit<GetObjectResult, "data" | "encoding">, bytes: Uint8Array, asked: Encoding | undefined) {
  const body = encodeBody(bytes, asked);
  const text = JSON.stringify({ ...info, ...body } satisfies GetObjectResult);
  const size = utf8Bytes(text) + ENVELOPE_BYTES;
  const limit = LIMITS.frameBytes;
  if (size <= limit) {
    return new JsonText(text);
  }
  if (asked === undefined && body.encoding === "utf8") {
    return answer(info, bytes, "base64");
  }
  // Base64 of what a call may carry fits, but for metadata that came from elsewhere, which may be longer than ours.
  const use = body.encoding === "utf8" ? ALTERNATIVES.getObjectAsText : ALTERNATIVES.getObject;
  throw new RpcError("TooLarge", "the answer is too large for one frame", { what: "frameBytes", limit, size, use });
}

async function open(bucket: R2Bucket, key: string, range: GetObjectParams["range"]): Promise<R2ObjectBody> {
  if (range === undefined) {
    return existing(await bucket.get(key));
  }
  try {
    return existing(await bucket.get(key, { range }));
  } catch (error) {
    // R2 does not say how large the object is that lacks the range.
    const { size } = existing(await bucket.head(key));
    throw resolveRange(toBytes(range), size) === undefined
      ? invalid("range.offset", `must be less than the object's size, ${size}`)
      : error;
  }
}

function toBytes({ offset, length }: NonNullable<GetObjectParams["range"]>) {
  return { first: offset, last: offset + length - 1 };
}

function tooLarge(size: number, use: string): RpcError {
  const limit = LIMITS.objectBodyBytes;
  return new RpcError("TooLarge", "the body is too large for one call", { what: "objectBodyBytes", limit, size, use });
}
