import { asOutcome } from "../../platform/call-object.ts";
import { accepted } from "../../platform/refused.ts";

/**
 * Calls an upload by native RPC.
 *
 * @throws The upload's own RpcError; OutcomeUnknown when the call was lost, because each call changes the upload.
 */
export async function callUpload<R extends PromiseLike<unknown>>(
  env: Env,
  uploadId: string,
  call: (stub: ReturnType<Env["UPLOAD"]["getByName"]>) => R,
) {
  const asked = call(env.UPLOAD.getByName(uploadId));
  try {
    return accepted(await asked);
  } catch (error) {
    throw asOutcome(error, "changes");
  }
}
