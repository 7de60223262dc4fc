import { ALTERNATIVES, LIMITS, RpcError } from "../../rpc/index.ts";
import type { GetObjectParams, GetObjectResult } from "../../rpc/index.ts";

import { withBodyInMemory } from "./body-budget.ts";
import { objectInfo, openObject } from "./bucket.ts";
import { invalid } from "./bytes.ts";
import { callBucket } from "./failures.ts";
import { resolveRange } from "./range.ts";

type Wanted = Pick<GetObjectParams, "key" | "range">;

/** Facts of an object whose body was opened; `range` is the part that the body is, when one was asked for. */
export type BodyInfo = Omit<GetObjectResult, "data" | "encoding">;

/**
 * Opens the body of an object, or of a range of it, of any size.
 *
 * @throws NotFound when there is no such object, InvalidParams when the range begins at its end or after.
 */
export async function openBody(
  bucket: R2Bucket,
  { key, range: asked }: Wanted,
): Promise<{ info: BodyInfo; object: R2ObjectBody }> {
  const range = asked && { first: asked.offset, last: asked.offset + asked.length - 1 };
  const object = await openObject(bucket, key, { range });
  const info = objectInfo(object);
  const span = range && resolveRange(range, object.size);
  if (!("body" in object)) {
    throw invalid("range.offset", `must be less than the object's size, ${object.size}`);
  }
  return { info: span === undefined ? info : { ...info, range: span }, object };
}

/**
 * Opens a body ({@link openBody}), reads it and runs `work` with its bytes, all within the request deadline.
 *
 * @throws TooLarge beyond what a call may carry, with what to use instead; Busy when too many bodies are in memory.
 */
export async function readBody<T>(
  bucket: R2Bucket,
  wanted: Wanted,
  work: (info: BodyInfo, bytes: Uint8Array) => T,
): Promise<T> {
  return callBucket("reads", async () => {
    assertFits(wanted.range?.length ?? 0, ALTERNATIVES.getObject);
    const { info, object } = await openBody(bucket, wanted);
    const size = info.range?.length ?? info.size;
    try {
      assertFits(size, ALTERNATIVES.getObject);
      return await withBodyInMemory(size, async () => work(info, await object.bytes()));
    } catch (error) {
      if (!object.bodyUsed) {
        await object.body.cancel();
      }
      throw error;
    }
  });
}

/**
 * Makes sure that one call may carry a body.
 *
 * @param use What to use instead.
 * @throws TooLarge.
 */
export function assertFits(size: number, use: string): void {
  if (size > LIMITS.objectBodyBytes) {
    const facts = { what: "objectBodyBytes", limit: LIMITS.objectBodyBytes, size, use };
    throw new RpcError("TooLarge", "the body is too large for one call", facts);
  }
}
