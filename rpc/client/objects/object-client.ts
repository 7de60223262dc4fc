import type { CallableMethod } from "../../method-traits.ts";
import type { MethodParams, MethodResult } from "../../methods.ts";

import type { Caller } from "../calls/caller.ts";
import type { ObjectClient } from "./objects.ts";
import type { CallOptions } from "../calls/pending-call.ts";
import type { PendingCalls } from "../calls/pending-calls.ts";
import type { HeldPlace } from "../calls/publish-lane.ts";

/** What objects need of a client: calls that go on while it closes, as parts of tasks that it waits for. */
export function objectClient(caller: Caller, tasks: Pick<PendingCalls, "begin" | "finish">): ObjectClient {
  const method =
    <M extends CallableMethod>(name: M, place?: HeldPlace) =>
    async (params: MethodParams<M>, options?: CallOptions) =>
      // The contract's result of this very method.
      (await caller.call(name, { params, options }, { place })) as MethodResult<M>;
  return {
    getObject: method("getObject"),
    putObject: method("putObject"),
    deleteObject: method("deleteObject"),
    publish: method("publish"),
    createUpload: method("createUpload"),
    uploadPart: method("uploadPart"),
    completeUpload: method("completeUpload"),
    abortUpload: method("abortUpload"),
    begin: (task) => tasks.begin(task),
    finish: (task) => tasks.finish(task),
    hold: (message) => {
      const place = caller.hold(message);
      return { publish: method("publish", place), leave: () => place.leave() };
    },
  };
}
