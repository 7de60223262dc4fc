import { LIMITS } from "../../limits.ts";
import type { MethodParams, MethodResult } from "../../methods.ts";

import { DurableStreamError } from "../error.ts";
import { toBase64 } from "./body.ts";
import type { PutParams } from "./headers.ts";
import type { Operation } from "./operation.ts";
import type { CallOptions } from "../calls/pending-call.ts";

/** The calls that an object is put by in parts. */
export type UploadCalls = {
  [M in "createUpload" | "uploadPart" | "completeUpload" | "abortUpload"]: (
    params: MethodParams<M>,
    options?: CallOptions,
  ) => Promise<MethodResult<M>>;
};

/**
 * Puts an object in parts. What failed for now is sent again: a part takes the place of the one that has its number, and
 * the same completion has the same end.
 *
 * @throws DurableStreamError OutcomeUnknown only once the parts were to be made one object; until then Unavailable.
 */
export async function putParts(
  calls: UploadCalls,
  { key, parts, params }: { key: string; parts: AsyncIterable<Uint8Array>; params: PutParams },
  operation: Operation,
): Promise<MethodResult<"completeUpload">> {
  const { contentType, metadata, ...conditions } = params;
  // One that is made and not heard of is empty, and dropped in time.
  const creation = { key, ...withDefined({ contentType, metadata }) };
  const { uploadId } = await operation.persistStep((options) => calls.createUpload(creation, options));
  try {
    const uploaded: MethodResult<"uploadPart">[] = [];
    let bytes = 0;
    for await (const part of parts) {
      if (uploaded.length === LIMITS.uploadParts) {
        const data = { what: "uploadParts", limit: LIMITS.uploadParts };
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
      // Safe: an upload that is not completed is dropped in time.
    });
    throw error;
  }
}

/** The server itself can not find out any more what became of the upload: another call would hear the same. */
function isUnknowable({ name, data }: DurableStreamError): boolean {
  return name === "OutcomeUnknown" && data?.["what"] === "upload";
}

/** The contract knows fields that are left out, and no undefined. */
function withDefined<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  // Only what is undefined is left out.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
