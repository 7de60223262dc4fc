import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";
import type { MethodParams, MethodResult } from "../../methods/methods.ts";

import { DurableStreamError } from "../error.ts";
import { toBase64 } from "./body.ts";
import type { PutParams } from "./headers.ts";
import type { Operation } from "./operation.ts";
import type { CallOptions } from "../calls/pending-call.ts";

/** The calls that put an object in parts. */
export type UploadCalls = {
  [M in "createUpload" | "uploadPart" | "completeUpload" | "abortUpload"]: (
    params: MethodParams<M>,
    options?: CallOptions,
  ) => Promise<MethodResult<M>>;
};

/**
 * Puts an object in parts, with retries. That is safe: a part replaces the one with its number, and a repeated
 * `completeUpload` has the same result.
 *
 * @throws DurableStreamError OutcomeUnknown only for `completeUpload`; before it, Unavailable.
 */
export async function putParts(
  calls: UploadCalls,
  { key, parts, params }: { key: string; parts: AsyncIterable<Uint8Array>; params: PutParams },
  operation: Operation,
): Promise<MethodResult<"completeUpload">> {
  const { contentType, metadata, ...conditions } = params;
  // An upload whose answer is lost stays empty, and the server drops it when it expires.
  const creation = {
    key,
    ...(contentType === undefined ? {} : { contentType }),
    ...(metadata === undefined ? {} : { metadata }),
  };
  const { uploadId } = await operation.persistStep((options) => calls.createUpload(creation, options));
  try {
    const uploaded: MethodResult<"uploadPart">[] = [];
    let bytes = 0;
    for await (const part of parts) {
      if (uploaded.length === CLIENT_LIMITS.uploadParts) {
        const data = { what: "uploadParts", limit: CLIENT_LIMITS.uploadParts };
        throw new DurableStreamError("TooLarge", "the body is too large for an upload in parts", { data });
      }
      const partNumber = uploaded.length + 1;
      const sent = { key, uploadId, partNumber, data: toBase64(part), encoding: "base64" as const };
      uploaded.push(await operation.persistStep((options) => calls.uploadPart(sent, options)));
      bytes += part.length;
    }
    const completion = { key, uploadId, parts: uploaded, ...conditions };
    return await operation.persist((options) => calls.completeUpload(completion, options), {
      bytes,
      isOver: isUnknowable,
    });
  } catch (error) {
    calls.abortUpload({ key, uploadId }).catch(() => {
      // Safe: the server drops an upload that is not completed when it expires.
    });
    throw error;
  }
}

/** Whether the server itself can not tell any more if the upload was completed: another call gets the same answer. */
function isUnknowable({ name, data }: DurableStreamError): boolean {
  return name === "OutcomeUnknown" && data?.["what"] === "upload";
}
