import { ALTERNATIVES, LIMITS, OBJECT_URL_MS, RpcError } from "../../rpc/index.ts";
import type { Encoding, GetObjectResult } from "../../rpc/index.ts";
import { callersName } from "../access/prefix.ts";
import { JsonText } from "../internal/json-text.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import { withBodyInMemory } from "../objects/body-budget.ts";
import {
  deleteObjects,
  existing,
  headObject,
  listObjects,
  objectInfo,
  putObject,
  putOptions,
} from "../objects/bucket.ts";
import { decodeBody, encodeBody } from "../objects/bytes.ts";
import { assertFits, readBody } from "../objects/object-body.ts";
import type { BodyInfo } from "../objects/object-body.ts";
import { signedUrl } from "../objects/object-url.ts";

import type { Handlers } from "./context.ts";

/** Bytes of a frame for what surrounds a result, above all the caller's id. */
const ENVELOPE_BYTES = 1_024;

export const objectHandlers: Handlers<
  "headObject" | "getObject" | "putObject" | "deleteObject" | "listObjects" | "createObjectUrl"
> = {
  headObject: async ({ key }, { env }) => objectInfo(existing(await headObject(env.BUCKET, key))),

  getObject: async ({ encoding, ...params }, { env }) =>
    readBody(env.BUCKET, params, (info, bytes) => answer(info, bytes, encoding)),

  putObject: async ({ data, encoding, ...params }, { env }) =>
    withBody({ data, encoding }, async (body) => objectInfo(await putObject(env.BUCKET, putOptions(params), body))),

  deleteObject: async (params, { env }) => {
    await deleteObjects(env.BUCKET, "key" in params ? params.key : params.keys);
    return {};
  },

  listObjects: async (params, { env }) => listObjects(env.BUCKET, params),

  createObjectUrl: async ({ key, expiresInMs = OBJECT_URL_MS.default }, { env, access }) => {
    const { prefix = "", expiresAt: tokenEndsAt = Number.POSITIVE_INFINITY } = access;
    const expiresAt = Math.min(Date.now() + expiresInMs, tokenEndsAt);
    return { url: await signedUrl(env, { key: callersName(prefix, key), prefix, expiresAt }), expiresAt };
  },
};

/**
 * Runs work with the decoded body of a call.
 *
 * @throws TooLarge beyond what a call may carry, with what to use instead; Busy when too many bodies are in memory.
 */
export async function withBody<T>(
  { data, encoding }: { data: string; encoding: Encoding | undefined },
  work: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  return withBodyInMemory(data.length, async () => {
    const body = decodeBody(data, encoding);
    assertFits(body.byteLength, ALTERNATIVES.putObject);
    return work(body);
  });
}

/** The result as JSON text. Text with many escaped characters may grow beyond a frame: then it is sent as base64. */
function answer(info: BodyInfo, bytes: Uint8Array, asked: Encoding | undefined) {
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
  // Base64 of the largest body fits, unless another tool stored longer metadata than this server accepts.
  const use = body.encoding === "utf8" ? ALTERNATIVES.getObjectAsText : ALTERNATIVES.getObject;
  throw new RpcError("TooLarge", "the answer is too large for one frame", { what: "frameBytes", limit, size, use });
}
