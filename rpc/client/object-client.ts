import type { MethodParams, MethodResult } from "../methods.ts";

import type { CallableMethod } from "./method-kinds.ts";
import type { ObjectClient } from "./objects.ts";
import type { CallOptions } from "./open-call.ts";

/** What an {@link ObjectClient} is made of. */
type Parts = Pick<ObjectClient, "begin" | "finish"> & {
  /** Makes a call that is part of a work, which goes on while the client closes. */
  readonly call: (method: CallableMethod, params: object, options: CallOptions | undefined) => Promise<object>;
};

/** What objects need of a client, from what it has. */
export function objectClient({ call, begin, finish }: Parts): ObjectClient {
  const method =
    <M extends CallableMethod>(name: M) =>
    async (params: MethodParams<M>, options?: CallOptions) =>
      // The contract's result of this very method.
      (await call(name, params, options)) as MethodResult<M>;
  return {
    getObject: method("getObject"),
    putObject: method("putObject"),
    publish: method("publish"),
    createUpload: method("createUpload"),
    uploadPart: method("uploadPart"),
    completeUpload: method("completeUpload"),
    abortUpload: method("abortUpload"),
    begin,
    finish,
  };
}
