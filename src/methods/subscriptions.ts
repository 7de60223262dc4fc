import { RpcError } from "../../rpc/index.ts";

import type { CallContext, Connection, Handlers } from "./context.ts";

export const subscriptionHandlers: Handlers<"subscribe" | "unsubscribe" | "ack" | "nak" | "term" | "working"> = {
  subscribe: async (params, context) => connectionOf(context).subscribe(params, context),

  unsubscribe: async ({ subscription }, context) => {
    connectionOf(context).unsubscribe(subscription);
    return {};
  },

  ack: async (params, context) => {
    await connectionOf(context).ack(params, context);
    return {};
  },

  nak: async ({ subscription, ...nak }, context) => {
    await connectionOf(context).settle(subscription, { kind: "nak", ...nak }, context);
    return {};
  },

  term: async ({ subscription, ...term }, context) => {
    await connectionOf(context).settle(subscription, { kind: "term", ...term }, context);
    return {};
  },

  working: async ({ subscription, sequences }, context) => {
    await connectionOf(context).settle(subscription, { kind: "working", sequences }, context);
    return {};
  },
};

function connectionOf({ connection }: CallContext): Connection {
  if (connection === undefined) {
    throw new RpcError("NeedsSocket", "subscriptions live on a WebSocket");
  }
  return connection;
}
