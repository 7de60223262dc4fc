import { LIMITS, RpcError } from "../../rpc/index.ts";
import { JsonText } from "../json-text.ts";
import { utf8Bytes } from "../message-text.ts";
import { callStream } from "../stream-calls.ts";

import type { Handlers } from "./context.ts";

export const stateHandlers: Handlers<"getState" | "putState" | "checkpoint"> = {
  getState: async ({ stream }, { env }) => {
    const { state, revision } = await callStream(env, stream, "reads", (stub) => stub.getState());
    return new JsonText(`{"state":${state},"revision":${revision}}`);
  },

  putState: async ({ stream, state, expectedRevision }, { env }) => {
    const text = stateText(state);
    return {
      revision: await callStream(env, stream, "changes", (stub) => stub.putState(stream, text, expectedRevision)),
    };
  },

  checkpoint: async ({ stream, state, through, expectedRevision }, { env }) => {
    const checkpoint = { state: stateText(state), through, expectedRevision };
    return callStream(env, stream, "changes", (stub) => stub.checkpoint(stream, checkpoint));
  },
};

function stateText(state: unknown): string {
  const text = JSON.stringify(state);
  if (utf8Bytes(text) > LIMITS.stateBytes) {
    throw new RpcError("TooLarge", "the state is too large", { what: "stateBytes", limit: LIMITS.stateBytes });
  }
  return text;
}
