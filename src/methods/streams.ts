import { callStream } from "../platform/call-object.ts";

import type { Handlers } from "./context.ts";
import { found } from "./messages.ts";

export const streamHandlers: Handlers<
  "getProducer" | "listProducers" | "getStreamInfo" | "configureStream" | "deleteStream"
> = {
  getProducer: async (params, { env }) => callStream(env, params.stream, "reads", (stub) => stub.getProducer(params)),

  listProducers: async (params, { env }) =>
    found(await callStream(env, params.stream, "reads", (stub) => stub.listProducers(params))),

  getStreamInfo: async ({ stream }, { env }) => found(await callStream(env, stream, "reads", (stub) => stub.info())),

  configureStream: async (params, { env }) =>
    callStream(env, params.stream, "changes", (stub) => stub.configure(params)),

  deleteStream: async ({ stream, epoch }, { env }) => ({
    deleted: await callStream(env, stream, "changes", (stub) => stub.destroy(epoch)),
  }),
};
