import { asOutcome } from "../../platform/call-object.ts";
import type { CallKind } from "../../platform/call-object.ts";
import { accepted } from "../../platform/refused.ts";

/**
 * Calls an upload by native RPC. Its methods keep the rules of `internal/calls.ts`: it may be of another version.
 *
 * @param kind `reads` where a change of the upload alone does not matter to the caller.
 * @throws The upload's own RpcError. When the call was lost, Unavailable for `reads`, otherwise OutcomeUnknown.
 */
export async function callUpload<R extends PromiseLike<unknown>>(
  env: Env,
  uploadId: string,
  call: (stub: ReturnType<Env["UPLOAD"]["getByName"]>) => R,
  kind: CallKind = "changes",
) {
  const asked = call(env.UPLOAD.getByName(uploadId));
  try {
    return accepted(await asked);
  } catch (error) {
    throw asOutcome(error, kind, { facts: { upload: uploadId } });
  }
}
