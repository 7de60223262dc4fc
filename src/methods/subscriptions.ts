import type { SocketMethod } from "../../rpc/index.ts";

import type { Handlers } from "./context.ts";

export const subscriptionHandlers: Handlers<Exclude<SocketMethod, "authenticate">> = {
  subscribe: async (params, context) => context.connection.subscribe(params, context),

  unsubscribe: async ({ subscription }, context) => {
    context.connection.unsubscribe(subscription);
    return {};
  },

  ack: async (params, context) => {
    await context.connection.ack(params, context);
    return {};
  },

  nak: async ({ subscription, ...nak }, context) => {
    await context.connection.applyAck(subscription, { kind: "nak", ...nak }, context);
    return {};
  },

  term: async ({ subscription, ...term }, context) => {
    await context.connection.applyAck(subscription, { kind: "term", ...term }, context);
    return {};
  },

  working: async ({ subscription, sequences }, context) => {
    await context.connection.applyAck(subscription, { kind: "working", sequences }, context);
    return {};
  },
};
