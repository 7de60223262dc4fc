import { invalid, toHex } from "../objects/bytes.ts";
import { callUpload } from "../objects/upload/upload-calls.ts";
import { withDeadline } from "../platform/call-object.ts";

import type { Handlers } from "./context.ts";
import { withBody } from "./objects.ts";

export const uploadHandlers: Handlers<"createUpload" | "uploadPart" | "completeUpload" | "abortUpload"> = {
  createUpload: async (params, { env }) => {
    const uploadId = crypto.randomUUID();
    const expiresAt = await callUpload(env, uploadId, (stub) => withDeadline(stub.create(params, Date.now())));
    return { key: params.key, uploadId, expiresAt };
  },

  uploadPart: async ({ key, uploadId, partNumber, data, encoding, sha256 }, { env }) =>
    withBody({ data, encoding }, async (body) => {
      const etag = toHex(await crypto.subtle.digest("SHA-256", body));
      if (sha256 !== undefined && sha256 !== etag) {
        throw invalid("sha256", "is not the SHA-256 of the body");
      }
      const part = { partNumber, etag };
      await callUpload(env, uploadId, (stub) => withDeadline(stub.putPart(key, part, body)));
      return part;
    }),

  // No deadline: storing gigabytes takes longer. A caller that lost the answer repeats the call and gets it.
  completeUpload: async ({ uploadId, ...params }, { env }) =>
    callUpload(env, uploadId, (stub) => stub.complete(params)),

  abortUpload: async ({ key, uploadId }, { env }) => {
    await callUpload(env, uploadId, (stub) => withDeadline(stub.abort(key)));
    return {};
  },
};
