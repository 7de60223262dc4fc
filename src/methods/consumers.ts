import { LIMITS } from "../../rpc/index.ts";
import { JsonText } from "../json-text.ts";
import { callStream } from "../stream-calls.ts";

import type { Handlers } from "./context.ts";

/** Messages of a fetch that does not say how many. */
const FETCH_MESSAGES = 100;

export const consumerHandlers: Handlers<
  | "createConsumer"
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

  getConsumer: async ({ stream, consumer }, { env }) =>
    callStream(env, stream, "reads", (stub) => stub.getConsumer(consumer)),

  listConsumers: async ({ stream }, { env }) => ({
    consumers: await callStream(env, stream, "reads", (stub) => stub.listConsumers()),
  }),

  deleteConsumer: async ({ stream, consumer }, { env }) =>
    callStream(env, stream, "changes", (stub) => stub.deleteConsumer(consumer)),

  pauseConsumer: async ({ stream, consumer, paused }, { env }) =>
    callStream(env, stream, "changes", (stub) => stub.pauseConsumer(consumer, paused)),

  seekConsumer: async ({ stream, consumer, from }, { env }) =>
    callStream(env, stream, "changes", (stub) => stub.seekConsumer(consumer, from)),

  fetchMessages: async ({ stream, consumer, limit = FETCH_MESSAGES }, { env }) => {
    const fetched = await callStream(env, stream, "changes", (stub) => stub.fetchMessages(consumer, limit));
    return new JsonText(`{"lease":${JSON.stringify(fetched.lease)},"messages":[${fetched.text}]}`);
  },

  ackMessages: async ({ stream, ...params }, { env }) => {
    await callStream(env, stream, "changes", (stub) => stub.ackMessages(params));
    return {};
  },

  getDeadLetters: async ({ stream, consumer, from = 1, limit = LIMITS.pageMessages }, { env }) => ({
    deadLetters: await callStream(env, stream, "reads", (stub) => stub.getDeadLetters(consumer, from, limit)),
  }),

  retryDeadLetters: async ({ stream, consumer, sequences }, { env }) => ({
    count: await callStream(env, stream, "changes", (stub) => stub.retryDeadLetters(consumer, sequences)),
  }),

  deleteDeadLetters: async ({ stream, consumer, sequences }, { env }) => ({
    count: await callStream(env, stream, "changes", (stub) => stub.deleteDeadLetters(consumer, sequences)),
  }),
};
