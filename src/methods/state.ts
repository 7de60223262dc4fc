import { LIMITS, RpcError } from "../../rpc/index.ts";
import { JsonText } from "../internal/json-text.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import { callStream } from "../platform/call-object.ts";

import type { Handlers } from "./context.ts";

export const stateHandlers: Handlers<"getState" | "putState" | "checkpoint"> = {
  getState: async ({ stream }, { env }) => {
    const { state, revision, epoch } = await callStream(env, stream, "reads", (stub) => stub.getState());
    const tail = epoch === undefined ? "" : `,"epoch":${JSON.stringify(epoch)}`;
    return new JsonText(`{"state":${state},"revision":${revision}${tail}}`);
  },

  putState: async (params, { env }) => {
    const call = { ...params, state: stateText(params.state) };
    return callStream(env, params.stream, "changes", (stub) => stub.putState(call));
  },

  checkpoint: async (params, { env }) => {
    const call = { ...params, state: stateText(params.state) };
    return callStream(env, params.stream, "changes", (stub) => stub.checkpoint(call));
  },
};

function stateText(state: unknown): string {
  const text = JSON.stringify(state);
  if (utf8Bytes(text) > LIMITS.stateBytes) {
    throw new RpcError("TooLarge", "the state is too large", { what: "stateBytes", limit: LIMITS.stateBytes });
  }
  return text;
}
