import { LIMITS, PAGE_DEFAULTS } from "../../rpc/index.ts";
import { JsonText } from "../internal/json-text.ts";
import { whole } from "../internal/pieces.ts";
import { callStream } from "../platform/call-object.ts";

import type { Handlers } from "./context.ts";

export const consumerHandlers: Handlers<
  | "createConsumer"
  | "updateConsumer"
  | "getConsumer"
  | "listConsumers"
  | "deleteConsumer"
  | "pauseConsumer"
  | "seekConsumer"
  | "fetchMessages"
  | "ackMessages"
  | "getDeadLetters"
  | "retryDeadLetters"
  | "deleteDeadLetters"
> = {
  createConsumer: async (params, { env }) =>
    callStream(env, params.stream, "changes", (stub) => stub.createConsumer(params)),

  updateConsumer: async ({ stream, consumer, ...changes }, { env }) =>
    callStream(env, stream, "changes", (stub) => stub.updateConsumer(consumer, changes)),

  getConsumer: async ({ stream, consumer }, { env }) =>
    callStream(env, stream, "reads", (stub) => stub.getConsumer(consumer)),

  listConsumers: async ({ stream }, { env }) => ({
    consumers: await callStream(env, stream, "reads", (stub) => stub.listConsumers()),
  }),

  deleteConsumer: async ({ stream, consumer }, { env }) =>
    callStream(env, stream, "changes", (stub) => stub.deleteConsumer(consumer)),

  pauseConsumer: async ({ stream, consumer, paused }, { env }) =>
    callStream(env, stream, "changes", (stub) => stub.pauseConsumer(consumer, paused)),

  seekConsumer: async (params, { env }) =>
    callStream(env, params.stream, "changes", (stub) => stub.seekConsumer(params)),

  fetchMessages: async ({ stream, consumer, limit = PAGE_DEFAULTS.fetchMessages }, { env }) => {
    const reply = await callStream(env, stream, "changes", (stub) => stub.fetchMessages(consumer, limit, true));
    const { text, ...fetched } = whole(reply);
    return new JsonText(`${JSON.stringify(fetched).slice(0, -1)},"messages":[${text}]}`);
  },

  ackMessages: async ({ stream, ...params }, { env }) => {
    await callStream(env, stream, "changes", (stub) => stub.ackMessages(params));
    return {};
  },

  getDeadLetters: async ({ from = 1, limit = LIMITS.pageMessages, ...params }, { env }) =>
    callStream(env, params.stream, "reads", (stub) => stub.getDeadLetters({ ...params, from, limit })),

  retryDeadLetters: async (params, { env }) => ({
    count: await callStream(env, params.stream, "changes", (stub) => stub.retryDeadLetters(params)),
  }),

  deleteDeadLetters: async (params, { env }) => ({
    count: await callStream(env, params.stream, "changes", (stub) => stub.deleteDeadLetters(params)),
  }),
};
