import { RpcError } from "../rpc/index.ts";

import type { CallContext } from "./methods/context.ts";
import { outcomes, publishCall } from "./publish-call.ts";
import { callStream } from "./stream-calls.ts";

/**
 * The context of a caller without a socket, by HTTP or a service binding: every publish is a call of its own, and the
 * stream gives it its place.
 */
export function socketlessContext(env: Env): CallContext {
  return {
    env,
    defaultStream: undefined,
    connection: undefined,
    publish: async (stream, request) => {
      const call = publishCall(stream, [request]);
      const reply = await callStream(env, stream, "changes", (stub) => stub.publish(call));
      const [outcome] = outcomes([request], reply);
      if (outcome === undefined || outcome instanceof RpcError) {
        throw outcome ?? new Error("a publish call came back without its outcome");
      }
      return outcome;
    },
    afterAnswer: [],
  };
}
