import { BodyReader } from "../../../rpc/client/objects/body.ts";
import { ALTERNATIVES, LIMITS, RpcError } from "../../../rpc/index.ts";
import type { ObjectInfo, PutObjectParams, UploadedPart } from "../../../rpc/index.ts";
import { withDeadline } from "../../platform/call-object.ts";
import type { CallKind } from "../../platform/call-object.ts";

import { withBodyInMemory } from "../body-budget.ts";
import { objectInfo, putObject, putOptions } from "../bucket.ts";
import { invalid, toHex } from "../bytes.ts";
import { callUpload } from "./upload-calls.ts";

type PutParams = Omit<PutObjectParams, "data" | "encoding">;

const PART_BYTES = LIMITS.objectBodyBytes;
/** Bytes that are written to R2 at once. */
const PIECE_BYTES = 65_536;
/** Calls before the completion change only an upload that nobody else knows: when one is lost, no object is stored. */
const BEFORE_COMPLETION: CallKind = "reads";

/**
 * Stores a stream as an object, as a whole or not at all. R2 needs to know the length of a body in advance, and a
 * stream that came by RPC has none. With a `size` it is streamed to R2; without one it is gathered in an upload of up
 * to `uploadParts` parts, or put directly if it fits one part.
 *
 * @throws InvalidParams when `size` is not the stream's; Unavailable when the stream fails, or a call before the upload's
 * completion. Nothing is stored then.
 */
export async function putStream(
  env: Env,
  params: PutParams,
  { body, size }: { body: ReadableStream<Uint8Array>; size: number | undefined },
): Promise<ObjectInfo> {
  const reader = new BodyReader(body);
  try {
    return await (size === undefined
      ? withBodyInMemory(PART_BYTES, () => putOfUnknownSize(env, params, reader))
      : putOfSize(env.BUCKET, params, { reader, size }));
  } finally {
    reader.release();
  }
}

async function putOfSize(
  bucket: R2Bucket,
  params: PutParams,
  { reader, size }: { reader: BodyReader; size: number },
): Promise<ObjectInfo> {
  const first = await read(reader, PIECE_BYTES);
  if (Math.min(first.byteLength, size) < PIECE_BYTES) {
    // The whole stream, or more than `size`. It is not streamed: R2 takes an empty body as complete before it has
    // ended.
    assertSize(first.byteLength, size);
    return putBody(bucket, params, first);
  }
  const { readable, writable } = new FixedLengthStream(size);
  const writer = writable.getWriter();
  let fault: unknown;
  pour(reader, writer, { first, size })
    .catch((error: unknown) => {
      fault = error;
      return writer.abort(error);
    })
    .catch(() => {
      // Safe: it is aborted already.
    });
  try {
    return await putBody(bucket, params, readable);
  } catch (error) {
    // A put whose body fails stores nothing, and its error does not tell the reason.
    throw fault instanceof RpcError ? fault : error;
  } finally {
    await writer.abort().catch(() => {
      // Safe: it is closed or aborted already.
    });
  }
}

/**
 * Writes the stream, one piece behind what is read. The last piece is written when the length is known to be right, so
 * a stream that is too long is refused, not cut.
 */
async function pour(
  reader: BodyReader,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { first, size }: { first: Uint8Array; size: number },
): Promise<void> {
  let held = first;
  let length = held.byteLength;
  for (;;) {
    const next = await read(reader, PIECE_BYTES);
    length += next.byteLength;
    if (next.byteLength === 0 || length > size) {
      break;
    }
    await writer.write(held);
    held = next;
  }
  assertSize(length, size);
  await writer.write(held);
  await writer.close();
}

function assertSize(length: number, size: number): void {
  if (length !== size) {
    throw invalid("size", "must be how many bytes the stream has");
  }
}

async function putBody(bucket: R2Bucket, params: PutParams, body: Uint8Array | ReadableStream): Promise<ObjectInfo> {
  return objectInfo(await putObject(bucket, putOptions(params), body));
}

async function putOfUnknownSize(env: Env, params: PutParams, reader: BodyReader): Promise<ObjectInfo> {
  const first = await read(reader, PART_BYTES);
  const second = first.byteLength < PART_BYTES ? undefined : await read(reader, PART_BYTES);
  if (second === undefined || second.byteLength === 0) {
    return putBody(env.BUCKET, params, first);
  }
  const { key, contentType, metadata, ...conditions } = params;
  const uploadId = crypto.randomUUID();
  const create = { key, contentType, metadata };
  await callUpload(env, uploadId, (stub) => withDeadline(stub.create(create, Date.now())), BEFORE_COMPLETION);
  try {
    const parts: UploadedPart[] = [];
    for (let part = first; part.byteLength > 0; part = parts.length === 1 ? second : await read(reader, PART_BYTES)) {
      parts.push(await putPart(env, { key, uploadId, partNumber: parts.length + 1 }, part));
    }
    return await callUpload(env, uploadId, (stub) => stub.complete({ key, parts, ...conditions }));
  } catch (error) {
    await callUpload(env, uploadId, (stub) => stub.abort(key)).catch(() => {
      // Safe: an upload that is not completed expires.
    });
    throw error;
  }
}

async function putPart(
  env: Env,
  { key, uploadId, partNumber }: { key: string; uploadId: string; partNumber: number },
  bytes: Uint8Array<ArrayBuffer>,
): Promise<UploadedPart> {
  if (partNumber > LIMITS.uploadParts) {
    const data = { what: "uploadParts", limit: LIMITS.uploadParts, use: ALTERNATIVES.putStream };
    throw new RpcError("TooLarge", "the stream is too large without its size", data);
  }
  const etag = toHex(await crypto.subtle.digest("SHA-256", bytes));
  const part = { partNumber, etag };
  return callUpload(env, uploadId, (stub) => withDeadline(stub.putPart(key, part, bytes)), BEFORE_COMPLETION);
}

/** Reads the next bytes. @throws Unavailable when the stream fails; nothing is stored then. */
async function read(reader: BodyReader, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await reader.read(bytes);
  } catch (cause) {
    throw new RpcError("Unavailable", `the stream failed, and nothing was stored: ${String(cause)}`);
  }
}
