import type { CallableMethod } from "../../methods/method-traits.ts";
import type { MethodParams, MethodResult } from "../../methods/methods.ts";

import type { Caller } from "../calls/caller.ts";
import type { ObjectClient } from "./objects.ts";
import type { CallOptions } from "../calls/pending-call.ts";
import type { PendingCalls } from "../calls/pending-calls.ts";
import type { Place } from "../calls/publish.ts";

/** The calls that objects make. As parts of a task they are still taken while the client closes, which waits for the task. */
export function objectClient(caller: Caller, tasks: Pick<PendingCalls, "begin" | "finish">): ObjectClient {
  const method =
    <M extends CallableMethod>(name: M, place?: Place) =>
    async (params: MethodParams<M>, options?: CallOptions) =>
      // The contract's result of this very method.
      (await caller.call(name, { params, options }, { place })) as MethodResult<M>;
  return {
    getObject: method("getObject"),
    putObject: method("putObject"),
    deleteObject: method("deleteObject"),
    createObjectUrl: method("createObjectUrl"),
    publish: method("publish"),
    createUpload: method("createUpload"),
    uploadPart: method("uploadPart"),
    completeUpload: method("completeUpload"),
    abortUpload: method("abortUpload"),
    begin: (task) => tasks.begin(task),
    finish: (task) => tasks.finish(task),
    hold: (message) => {
      const place = caller.hold(message);
      return { publish: method("publish", place), leave: () => caller.leave(place) };
    },
  };
}
