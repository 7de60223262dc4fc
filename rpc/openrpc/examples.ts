import { LIMITS } from "../protocol/limits.ts";
import type { MethodName } from "../methods/method-traits.ts";
import type { MethodParams, MethodResult } from "../methods/methods.ts";
import { CONSUMER_DEFAULTS, STREAM_DEFAULTS } from "../protocol/protocol.ts";

/** An example call of a method with a possible result. */
export type Example<M extends MethodName> = {
  readonly params: MethodParams<M>;
  readonly result: MethodResult<M>;
};

/** The methods that the OpenRPC document lists: all except `rpc.discover`, which returns it. */
export type ListedMethod = Exclude<MethodName, "rpc.discover">;

const stream = "orders";
const consumer = "billing";
const key = "snapshots/orders/2";
const epoch = "7e6a3f0e-5f0b-4c1e-9d0a-2f9b1c3d4e5f";
const publishedAt = 1_767_225_600_000;
const sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const uploadId = "0b9f6a52-8a0e-4d53-8f51-6c1b9a1f7e0d";
// It was signed by nobody.
const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
const lease = "c0a80101-1f2e-4d3c-8b7a-9f0e1d2c3b4a";

const message = { sequence: 1, publishedAt, subject: "orders.eu.created", data: { order: 7, total: 99.5 } };
const object = {
  key,
  size: 5,
  etag: "5d41402abc4b2a76b9719d911017c592",
  uploadedAt: publishedAt,
  contentType: "text/plain",
  metadata: { sequence: "2" },
};
const info = {
  consumer,
  epoch,
  config: { ...CONSUMER_DEFAULTS, backoffMs: [...CONSUMER_DEFAULTS.backoffMs] },
  ackFloor: 2,
  pending: 0,
  inFlight: 1,
  redelivered: 0,
  deadLetters: 0,
  paused: false,
  subscriptions: 1,
};

/**
 * One example of each method. In this order most of them work on a new server. Params are in the order of the document, and
 * none is left out before the last one, because some tools match them by position.
 */
export const EXAMPLES: { readonly [M in ListedMethod]: Example<M> } = {
  getServerInfo: {
    params: {},
    result: { name: "durable-stream", version: "0.1.0", time: publishedAt, limits: LIMITS },
  },
  publish: {
    params: { stream, data: message.data, subject: message.subject, headers: { source: "shop" }, id: "order-7" },
    result: { stream, epoch, sequence: 1, publishedAt, duplicate: false },
  },
  publishBatch: {
    params: { stream, messages: [{ data: { order: 8 } }, { data: { order: 9 } }], id: "orders-8-9" },
    result: { stream, epoch, firstSequence: 2, lastSequence: 3, publishedAt, duplicate: false },
  },
  getMessages: {
    params: { stream, from: { sequence: 1 } },
    result: { epoch, messages: [message], nextSequence: 2, lastSequence: 3 },
  },
  deleteMessages: {
    params: { stream, through: 1 },
    result: { epoch, deleted: 1, firstSequence: 2, lastSequence: 3 },
  },
  getProducer: {
    params: { stream, producer: "shop-7" },
    result: {
      epoch,
      producer: { id: "shop-7", epoch: 0, sequence: 12 },
      lastSequence: 3,
      lastPublishedAt: publishedAt,
    },
  },
  listProducers: {
    params: { stream },
    result: {
      epoch,
      producers: [
        { producer: { id: "shop-7", epoch: 0, sequence: 12 }, lastSequence: 3, lastPublishedAt: publishedAt },
      ],
      more: false,
    },
  },
  listStreams: {
    params: { prefix: "or", after: "or", limit: 1 },
    result: { streams: [{ stream, epoch, createdAt: publishedAt }], after: stream },
  },
  getStreamInfo: {
    params: { stream },
    result: {
      stream,
      epoch,
      createdAt: publishedAt,
      config: STREAM_DEFAULTS,
      firstSequence: 2,
      lastSequence: 3,
      messages: 2,
      bytes: 120,
      stateRevision: 0,
      consumers: 1,
      gateways: 1,
    },
  },
  configureStream: {
    params: { stream, maxAgeMs: 86_400_000, maxMessages: null },
    result: { maxAgeMs: 86_400_000, ...STREAM_DEFAULTS },
  },
  deleteStream: { params: { stream: "orders-2019" }, result: { deleted: true } },
  getState: { params: { stream }, result: { epoch, state: { snapshot: { key }, through: 2 }, revision: 2 } },
  putState: { params: { stream, state: { done: 1 }, expectedRevision: 0 }, result: { epoch, revision: 1 } },
  checkpoint: {
    params: { stream, state: { snapshot: { key }, through: 2 }, through: 2 },
    result: { epoch, revision: 2, deleted: 1, firstSequence: 3 },
  },
  subscribe: {
    params: { stream, from: { sequence: 3 } },
    result: { subscription: 1, stream, epoch, nextSequence: 3, lastSequence: 3 },
  },
  unsubscribe: { params: { subscription: 1 }, result: {} },
  ack: { params: { subscription: 1, through: 3 }, result: {} },
  nak: { params: { subscription: 2, sequences: [3], delayMs: 5_000 }, result: {} },
  term: { params: { subscription: 2, sequences: [3], reason: "no such customer" }, result: {} },
  working: { params: { subscription: 2, sequences: [3] }, result: {} },
  createConsumer: { params: { stream, consumer, from: "first" }, result: info },
  updateConsumer: {
    params: { stream, consumer, filter: "orders.eu.>", ackWaitMs: 60_000 },
    result: { ...info, config: { ...info.config, filter: "orders.eu.>", ackWaitMs: 60_000 } },
  },
  getConsumer: { params: { stream, consumer }, result: info },
  listConsumers: { params: { stream }, result: { consumers: [info] } },
  deleteConsumer: { params: { stream, consumer: "reports" }, result: { ...info, consumer: "reports" } },
  pauseConsumer: { params: { stream, consumer, paused: true }, result: { ...info, paused: true } },
  seekConsumer: { params: { stream, consumer, from: { time: publishedAt } }, result: info },
  fetchMessages: {
    params: { stream, consumer, limit: 10 },
    result: { epoch, lease, messages: [{ deliveryCount: 1, ...message, sequence: 3 }] },
  },
  ackMessages: { params: { stream, consumer, lease, sequences: [3], outcome: "ack" }, result: {} },
  getDeadLetters: {
    params: { stream, consumer },
    result: { epoch, deadLetters: [{ sequence: 2, deliveries: 5, reason: "maxDeliver", deadAt: publishedAt }] },
  },
  retryDeadLetters: { params: { stream, consumer, sequences: [2] }, result: { count: 1 } },
  deleteDeadLetters: { params: { stream, consumer }, result: { count: 0 } },
  headObject: { params: { key }, result: object },
  getObject: {
    params: { key, range: { offset: 0, length: 5 } },
    result: { ...object, data: "hello", encoding: "utf8", range: { offset: 0, length: 5 } },
  },
  putObject: {
    params: { key, data: "hello", encoding: "utf8", sha256, contentType: "text/plain", metadata: { sequence: "2" } },
    result: { ...object, sha256 },
  },
  deleteObject: { params: { key: "snapshots/orders/7" }, result: {} },
  listObjects: {
    params: { prefix: "snapshots/", delimiter: "/" },
    result: { objects: [], prefixes: ["snapshots/orders/"] },
  },
  createObjectUrl: {
    params: { key, expiresInMs: 60_000 },
    result: {
      url: `/r2/${key}?expires=${publishedAt + 60_000}&signature=9dmnnRBm5f0CnxKSPoj42FBXyUqULcJX4yNUOTyOSvI`,
      expiresAt: publishedAt + 60_000,
    },
  },
  createUpload: {
    params: { key, contentType: "application/x-sqlite3" },
    result: { key, uploadId, expiresAt: publishedAt + LIMITS.uploadKeptMs },
  },
  uploadPart: { params: { key, uploadId, partNumber: 1, data: "hello" }, result: { partNumber: 1, etag: sha256 } },
  completeUpload: {
    params: { key, uploadId, parts: [{ partNumber: 1, etag: sha256 }], sha256 },
    result: { ...object, sha256 },
  },
  abortUpload: { params: { key, uploadId }, result: {} },
  issueToken: {
    params: {
      rights: [{ streams: ["room.*"], actions: ["read", "publish"], subjects: ["chat.>"] }],
      subject: "alice",
      prefix: "tenant-7.",
      expiresInMs: 600_000,
    },
    result: { token, expiresAt: publishedAt + 600_000 },
  },
  authenticate: { params: { token }, result: { subject: "alice", expiresAt: publishedAt + 600_000 } },
};
